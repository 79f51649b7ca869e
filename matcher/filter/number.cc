#include "matcher/filter/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace millrace::matcher {
namespace {

constexpr std::int64_t kExponentClamp = 1'000'000'000'000'000;

// A number's digits without leading and trailing zeros, and the power of ten of the first digit.
struct Digits {
    bool negative = false;
    std::string_view whole;     // integer part from the first significant digit
    std::string_view fraction;  // fraction part
    std::size_t count = 0;      // significant digits in whole + fraction; 0 means the number is 0
    std::int64_t magnitude = 0;

    char at(std::size_t i) const {
        if (i >= count) return '0';
        return i < whole.size() ? whole[i] : fraction[i - whole.size()];
    }
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digit_run(std::string_view text, std::size_t from) {
    std::size_t end = from;
    while (end < text.size() && is_digit(text[end])) ++end;
    return end;
}

// Value of an exponent's digits, clamped so that later sums cannot overflow.
std::int64_t exponent_value(std::string_view digits, bool negative) {
    std::int64_t value = 0;
    for (char c : digits) value = std::min(value * 10 + (c - '0'), kExponentClamp);
    return negative ? -value : value;
}

bool scan(std::string_view text, Digits& out) {
    std::size_t i = 0;
    out.negative = !text.empty() && text[0] == '-';
    if (out.negative) ++i;
    const std::size_t whole_end = digit_run(text, i);
    if (whole_end == i || (text[i] == '0' && whole_end > i + 1)) return false;
    out.whole = text.substr(i, whole_end - i);
    i = whole_end;
    if (i < text.size() && text[i] == '.') {
        const std::size_t end = digit_run(text, i + 1);
        if (end == i + 1) return false;
        out.fraction = text.substr(i + 1, end - i - 1);
        i = end;
    }
    std::int64_t exponent = 0;
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        const bool negative = i < text.size() && text[i] == '-';
        if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
        const std::size_t end = digit_run(text, i);
        if (end == i) return false;
        exponent = exponent_value(text.substr(i, end - i), negative);
        i = end;
    }
    if (i != text.size()) return false;
    out.magnitude = exponent + static_cast<std::int64_t>(out.whole.size()) - 1;
    if (out.whole == "0") {
        out.whole = {};
        std::size_t zeros = 0;
        while (zeros < out.fraction.size() && out.fraction[zeros] == '0') ++zeros;
        out.fraction.remove_prefix(zeros);
        out.magnitude = exponent - 1 - static_cast<std::int64_t>(zeros);
    }
    out.count = out.whole.size() + out.fraction.size();
    while (out.count > 0 && out.at(out.count - 1) == '0') --out.count;
    return true;
}

}  // namespace

bool parse_number(std::string_view text, NumberView& out) {
    Digits digits;
    if (!scan(text, digits)) return false;
    out.text = text;
    out.is_short = true;
    out.approx = 0;
    if (digits.count == 0) return true;
    // 15 digits and this range: every such decimal has a double of its own (IEEE 754 double,
    // DBL_DIG).
    out.is_short = digits.count <= 15 && digits.magnitude > -290 && digits.magnitude < 290;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.approx);
    if (error == std::errc::result_out_of_range) {
        const double size = digits.magnitude > 0 ? std::numeric_limits<double>::infinity() : 0.0;
        out.approx = digits.negative && size > 0 ? -size : size;
    }
    if (out.approx == 0) out.approx = 0;  // -0.0 from a tiny negative number
    return true;
}

std::strong_ordering compare_digits(std::string_view a, std::string_view b) {
    Digits x;
    Digits y;
    scan(a, x);
    scan(b, y);
    const int sign_x = x.count == 0 ? 0 : (x.negative ? -1 : 1);
    const int sign_y = y.count == 0 ? 0 : (y.negative ? -1 : 1);
    if (sign_x != sign_y || sign_x == 0) return sign_x <=> sign_y;
    std::strong_ordering order = x.magnitude <=> y.magnitude;
    const std::size_t count = std::max(x.count, y.count);
    for (std::size_t i = 0; i < count && order == std::strong_ordering::equal; ++i) {
        order = x.at(i) <=> y.at(i);
    }
    return sign_x > 0 ? order : 0 <=> order;
}

}  // namespace millrace::matcher
