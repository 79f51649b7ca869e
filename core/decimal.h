// What: exact sums of JSON numbers: a decimal with all its digits, so that 0.1 + 0.2 is 0.3 and the
//       order in which numbers are added says nothing.
// Threads: values. Lifetime: none; nothing is allocated.
// Limits: kDecimalWholeDigitsMax digits before the point, kDecimalFractionDigitsMax behind it: room
//       for every double that is no larger than that.
// Failure: parse() and add() answer false beyond the limits and leave their result alone.
#pragma once

#include "core/limits.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::core {

inline constexpr std::size_t kDecimalWholeDigitsMax = 40;
// The last digit of the smallest doubles stands at place 324, and 17 digits tell any double.
inline constexpr std::size_t kDecimalFractionDigitsMax = 344;

class Decimal {
public:
    // A JSON number.
    static bool parse(std::string_view json, Decimal& out);
    // The fewest digits that read back as `value`; false for nan and infinities too.
    static bool of(double value, Decimal& out);
    static Decimal of(std::int64_t value);

    bool add(const Decimal& other);
    // By size alone, without the signs: -1, 0, 1.
    int compare_size(const Decimal& other) const;
    bool is_zero() const { return digits_ == 0; }
    bool is_negative() const { return negative_; }
    bool is_whole() const { return scale_ == 0; }
    // False when it is no whole number of that range.
    bool get(std::int64_t& out) const;
    bool get(std::uint64_t& out) const;
    // Plain JSON: no exponent, no zeros that say nothing.
    void append_to(std::string& out) const;

private:
    static constexpr std::size_t kDigitsMax = kDecimalWholeDigitsMax + kDecimalFractionDigitsMax;

    std::size_t whole_digits() const { return digits_ > scale_ ? digits_ - scale_ : 0; }
    // The digit of value 10^place, 0 beyond both ends.
    int digit(std::ptrdiff_t place) const;
    void trim();
    bool whole_value(std::uint64_t& out) const;

    // Most significant first, without leading zeros; the last scale_ of them (and zeros before
    // them) stand behind the point.
    std::uint16_t digits_ = 0;
    std::uint16_t scale_ = 0;
    bool negative_ = false;
    char text_[kDigitsMax];
};

}  // namespace millrace::core
