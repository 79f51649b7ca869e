// What: JSON values compared as JSON Schema wants it: numbers by value, to the last digit, objects
//       without regard to the order of their members.
// Threads: pure. Lifetime: none. Limits: kDivisorDigitsMax for divisors.
// Failure: Divisor::parse answers nullopt for what is no positive number or too long.
#pragma once

#include "core/json_dom.h"
#include "runtime/schema/decimal.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::runtime::schema {

inline constexpr std::size_t kDivisorDigitsMax = 18;

bool is_integer(std::string_view number);  // 1, 1.0, 10e-1

// -1, 0, 1.
int compare_numbers(std::string_view a, std::string_view b);

class Divisor {
public:
    static std::optional<Divisor> parse(std::string_view number);
    bool divides(std::string_view number) const;
    bool divides(const Decimal& number) const;  // which is known

private:
    std::uint64_t digits_ = 1;  // without zeros at the end
    std::int64_t exponent_ = 0;
};

bool equal(core::JsonElement a, core::JsonElement b);
// Equal values have equal hashes.
std::uint64_t hash(core::JsonElement value);

// A whole number of at most 2^53, from a schema's own members ("maxLength":3.0).
std::optional<std::uint64_t> small_count(core::JsonElement element);

// Code points of UTF-8 text.
std::size_t code_points(std::string_view text);

}  // namespace millrace::runtime::schema
