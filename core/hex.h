// What: hexadecimal digits, read and written in lower case.
// Threads: pure. Lifetime: none. Limits: none. Failure: -1 for what is no digit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::core {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The lowest digits of a number, leading zeros too.
inline void append_hex(std::string& out, std::uint64_t value, unsigned digits = 16) {
    while (digits-- > 0) out += kHexDigits[value >> (4 * digits) & 15];
}

// Two digits a byte.
inline void append_hex(std::string& out, std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) {
        out += kHexDigits[byte >> 4];
        out += kHexDigits[byte & 15u];
    }
}
inline void append_hex_of(std::string& out, std::string_view bytes) {
    append_hex(out, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace millrace::core
