// What: the numbers that people write, as digits and places, compared by two products. Exact.
// Threads: values. Lifetime: none.
// Limits: kDecimalDigitsMax digits and as many places, no exponent.
// Failure: is_known is false for every other number: ask matcher/filter/number.h.
#pragma once

#include "core/key_hash.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::schema {

inline constexpr unsigned kDecimalDigitsMax = 18;

inline constexpr std::uint64_t kPowersOfTen[kDecimalDigitsMax + 1] = {1,
                                                                      10,
                                                                      100,
                                                                      1'000,
                                                                      10'000,
                                                                      100'000,
                                                                      1'000'000,
                                                                      10'000'000,
                                                                      100'000'000,
                                                                      1'000'000'000,
                                                                      10'000'000'000,
                                                                      100'000'000'000,
                                                                      1'000'000'000'000,
                                                                      10'000'000'000'000,
                                                                      100'000'000'000'000,
                                                                      1'000'000'000'000'000,
                                                                      10'000'000'000'000'000,
                                                                      100'000'000'000'000'000,
                                                                      1'000'000'000'000'000'000};

struct Decimal {
    std::int64_t digits = 0;
    std::uint32_t places = 0;  // behind the point
    bool is_known = false;

    bool is_whole() const {
        return places == 0 ||
               static_cast<std::uint64_t>(digits < 0 ? -digits : digits) % kPowersOfTen[places] ==
                   0;
    }
};

// Up to eight digits from `at` on, where 8 bytes are readable: how many they are, and their value.
inline unsigned read_few_digits(const char* at, std::uint64_t& value) {
    std::uint64_t word = core::load_u64(at) ^ 0x3030303030303030u;
    // The high bit of each byte that is above 9.
    const std::uint64_t others =
        (((word & 0x7f7f7f7f7f7f7f7fu) + 0x7676767676767676u) | word) & 0x8080808080808080u;
    const auto count = static_cast<unsigned>(std::countr_zero(others)) / 8;  // 64: none
    if (count == 0) return 0;
    word <<= 64 - count * 8;  // zeros in front
    word = word * 10 + (word >> 8);
    value = (((word & 0x000000ff000000ffu) * 0x000f424000000064u) +
             ((word >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u)) >>
            32;
    return count;
}

// The digits from `at` on, behind which 8 bytes are readable: eight at a time. `value` goes on with
// them; more than 19 wrap around.
inline const char* read_digits(const char* at, std::uint64_t& value) {
    for (;;) {
        std::uint64_t word = 0;
        const unsigned count = read_few_digits(at, word);
        value = value * kPowersOfTen[count] + word;
        at += count;
        if (count < 8) return at;
    }
}

// At a number that is known to be one; 8 bytes behind it are readable. `end`: behind its last
// digit, where it is known.
inline Decimal read_decimal(const char* at, const char*& end) {
    Decimal out;
    const bool negative = *at == '-';
    at += negative ? 1 : 0;
    std::uint64_t digits = 0;
    const char* const begin = at;
    at = read_digits(at, digits);
    auto count = static_cast<std::size_t>(at - begin);
    if (*at == '.') {
        const char* const point = at++;
        at = read_digits(at, digits);
        out.places = static_cast<std::uint32_t>(at - point - 1);
        count += out.places;
    }
    end = at;
    // More digits have wrapped around.
    out.is_known = count <= kDecimalDigitsMax && (*at | 0x20) != 'e';
    out.digits = negative ? -static_cast<std::int64_t>(digits) : static_cast<std::int64_t>(digits);
    return out;
}

inline Decimal read_decimal(std::string_view number) {
    const std::string padded = std::string(number) + "        ";
    const char* end = nullptr;
    return read_decimal(padded.data(), end);
}

// -1, 0, 1; both are known.
inline int compare(const Decimal& a, const Decimal& b) {
    const auto left =
        static_cast<__int128>(a.digits) * static_cast<__int128>(kPowersOfTen[b.places]);
    const auto right =
        static_cast<__int128>(b.digits) * static_cast<__int128>(kPowersOfTen[a.places]);
    return left < right ? -1 : left > right ? 1 : 0;
}

}  // namespace millrace::runtime::schema
