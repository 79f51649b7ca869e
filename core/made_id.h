// What: ids that the server makes: a prefix, then digits of 5 bits each. Base 32 without the
//       letters that look like digits, in the order of their values, so that ids which begin with a
//       time sort by it.
// Threads: pure; the generator has one owner. Lifetime: values.
// Limits: a random digit is worth 5 bits: 16 of them never meet in practice, 12 hardly.
// Failure: none.
#pragma once

#include "core/random.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::core {

inline constexpr std::string_view kIdDigits = "0123456789abcdefghjkmnpqrstvwxyz";

// The lowest `digits` * 5 bits, the most significant digit first.
inline void append_id_digits(std::string& id, std::uint64_t value, std::size_t digits) {
    for (std::size_t i = digits; i-- > 0;) id += kIdDigits[(value >> (5 * i)) & 31u];
}

inline std::string make_id(std::string_view prefix, Random& random, std::size_t digits) {
    std::string id(prefix);
    for (std::size_t i = 0; i < digits; ++i) id += kIdDigits[random.below(32)];
    return id;
}

}  // namespace millrace::core
