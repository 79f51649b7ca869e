// What: the text of a key: `mr_live_`, 43 digits of base 62 (256 random bits) and 6 that are the
//       CRC-32 of all before them, so that a scanner for leaked keys needs no list and a mistyped
//       one is known without a look-up. As an expression: mr_live_[0-9A-Za-z]{49}
// Threads: pure. Lifetime: none. Limits: none. Failure: is_key_text() is false.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::identity {

inline constexpr std::string_view kKeyPrefix = "mr_live_";
inline constexpr std::size_t kKeyDigits = 43;
inline constexpr std::size_t kKeyCheckDigits = 6;
inline constexpr std::size_t kKeyTextBytes = kKeyPrefix.size() + kKeyDigits + kKeyCheckDigits;
inline constexpr std::size_t kKeyShownBytes = 12;  // of its beginning
inline constexpr std::size_t kKeyLastBytes = 4;

using KeyBits = std::array<std::uint8_t, 32>;

// `bits` from core::crypto::fill_random().
std::string make_key_text(const KeyBits& bits);
bool is_key_text(std::string_view text);

}  // namespace millrace::runtime::identity
