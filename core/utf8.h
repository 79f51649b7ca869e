// What: UTF-8 (RFC 3629), a sequence of it and whole texts.
// Threads: pure. Lifetime: none. Limits: none. Failure: 0 and false for what is none.
#pragma once

#include <cstddef>
#include <string_view>

namespace millrace::core {

// The count of bytes of the UTF-8 sequence at text[at], or 0 when it is not a valid one.
inline std::size_t utf8_sequence_bytes(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
    };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0;
    if (lead < 0xE0) return follows(1) ? 2 : 0;
    if (lead < 0xF0) {
        if (!follows(1) || !follows(2)) return 0;
        if (lead == 0xE0 && byte(1) < 0xA0) return 0;   // overlong
        if (lead == 0xED && byte(1) >= 0xA0) return 0;  // surrogate
        return 3;
    }
    if (lead > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) >= 0x90) return 0;
    return 4;
}

bool is_utf8(std::string_view text);

}  // namespace millrace::core
