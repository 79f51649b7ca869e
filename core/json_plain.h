// What: whether a text may stand between the quotes of a JSON string as it is: ASCII without
//       control characters, quote and backslash. Almost every id, name and key is one; whoever
//       writes JSON copies it whole then. Eight bytes a step.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::core {

namespace detail {

// A high bit is set if a byte is none that is plain; which one may be told wrong.
inline std::uint64_t unplain_bits(std::uint64_t bytes) {
    constexpr std::uint64_t kOnes = 0x0101010101010101u;
    const std::uint64_t quote = bytes ^ (kOnes * '"');
    const std::uint64_t backslash = bytes ^ (kOnes * '\\');
    // A subtraction that goes below zero borrows from the byte above, and has been told of by then.
    return (bytes | (bytes - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes)) &
           (kOnes * 0x80);
}

template <typename Word>
std::uint64_t unplain_bits_at(const char* at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    // What the word does not fill counts as blanks.
    constexpr std::uint64_t kBlanks = 0x2020202020202020u;
    return unplain_bits(sizeof word == 8 ? word : (kBlanks << (sizeof word * 8 % 64)) | word);
}

}  // namespace detail

inline bool is_plain_json(std::string_view text) {
    const char* at = text.data();
    std::size_t left = text.size();
    std::uint64_t unplain = 0;
    for (; left >= 8; at += 8, left -= 8) unplain |= detail::unplain_bits_at<std::uint64_t>(at);
    if (left >= 4) {
        unplain |= detail::unplain_bits_at<std::uint32_t>(at);
        at += 4;
        left -= 4;
    }
    for (; left > 0; ++at, --left) unplain |= detail::unplain_bits_at<std::uint8_t>(at);
    return unplain == 0;
}

}  // namespace millrace::core
