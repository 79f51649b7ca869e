// What: finds the tokens of JSON text, 64 bytes at a time, as far as the caller asks and no
//       further: every bracket, comma and colon outside of strings, and where each value or key
//       begins (a string's closing quote is none). The same tokens as simdjson's first stage, which
//       serves where this is not supported.
// Threads: one owner. Lifetime: the text and the place for positions outlive the scan.
// Limits: texts below 4 GiB. Failure: none here; the flags say what was seen.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::core {

class TokenScanner {
public:
    // Positions are written in groups: so many places must be behind the last one.
    static constexpr std::size_t kSpare = 64;
    static constexpr std::size_t kBlockBytes = 64;

    // Has this processor what it takes (AVX2, BMI, carry-less multiplication)?
    static bool is_supported();

    void start(const char* text, std::size_t bytes) {
        text_ = text;
        bytes_ = bytes;
        at_ = 0;
        in_string_ = 0;
        escaped_ = 0;
        in_scalar_ = 0;
        has_backslash_ = has_high_bit_ = has_control_ = false;
    }
    // Goes on for so many bytes (in whole blocks) or to the end of the text, and writes what begins
    // there to `out`; returns the place behind the last one.
    std::uint32_t* scan(std::size_t bytes, std::uint32_t* out);
    // The two ways it may take, with the same result; the second one where has_avx512().
    std::uint32_t* scan_avx2(std::size_t bytes, std::uint32_t* out);
    std::uint32_t* scan_avx512(std::size_t bytes, std::uint32_t* out);
    static bool has_avx512();

    bool is_done() const { return at_ >= bytes_; }
    // Of what was scanned so far.
    bool has_backslash() const { return has_backslash_; }
    bool has_high_bit() const { return has_high_bit_; }  // some byte that is no ASCII
    bool has_control() const { return has_control_; }    // a control byte inside a string
    bool ends_in_string() const { return in_string_ != 0; }

private:
    const char* text_ = nullptr;
    std::size_t bytes_ = 0;
    std::size_t at_ = 0;
    std::uint64_t in_string_ = 0;  // all ones: the last block ended inside a string
    std::uint64_t escaped_ = 0;    // 1: the next byte is escaped
    std::uint64_t in_scalar_ = 0;  // 1: the last byte belonged to a number or literal
    bool has_backslash_ = false;
    bool has_high_bit_ = false;
    bool has_control_ = false;
};

}  // namespace millrace::core
