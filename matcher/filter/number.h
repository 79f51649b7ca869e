// What: numbers compared as numbers, exactly: 5 = 5.0 = 5e0, -0.0 = 0, 2^53 < 2^53+1, 1e400 >
//       1e308, 0.1 = 0.10. A value is its nearest double and, where that does not decide, its
//       digits.
// Threads: values. Lifetime: a NumberView borrows its digits from the text it was read from.
// Limits: exponents are clamped to +-10^15; nothing allocates.
// Failure: none on JSON numbers; parse_number says false on any other text.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace millrace::matcher {

struct NumberView {
    // Nearest double; infinite beyond the range of doubles, 0 below it; never -0.0.
    // Rounding keeps order, so different doubles decide a comparison.
    double approx = 0;
    // The text has at most 15 significant digits and a magnitude where each such number has a
    // double of its own: two short numbers are equal exactly when their doubles are.
    bool is_short = true;
    std::string_view text = "0";
};

// False when `text` is not a number by the JSON grammar.
bool parse_number(std::string_view text, NumberView& out);

// The digits decide: exact for numbers of any length. The slow half of compare().
std::strong_ordering compare_digits(std::string_view a, std::string_view b);

inline std::strong_ordering compare(const NumberView& a, const NumberView& b) {
    if (a.approx < b.approx) return std::strong_ordering::less;
    if (a.approx > b.approx) return std::strong_ordering::greater;
    if (a.is_short && b.is_short) return std::strong_ordering::equal;
    return compare_digits(a.text, b.text);
}

}  // namespace millrace::matcher
