// What: classes of bytes in JSON text.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::core {

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

inline bool is_json_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// What may stand right behind a number or a literal.
inline constexpr std::array<bool, 256> kEndsScalar = [] {
    std::array<bool, 256> table{};
    for (const char c : {' ', '\n', '\r', '\t', ',', ':', '[', ']', '{', '}'}) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();
inline bool ends_scalar(char c) { return kEndsScalar[static_cast<unsigned char>(c)]; }

}  // namespace millrace::core
