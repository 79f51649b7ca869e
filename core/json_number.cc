#include "core/json_number.h"

#include "core/key_hash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <limits>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace millrace::core {

namespace {

constexpr double kPowersOf10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Beyond this every exponent means infinity or zero, whatever the digits of an event of legal size.
constexpr std::int64_t kExponentClamp = 100'000'000;

struct Scanned {
    std::uint64_t mantissa = 0;  // of the first 19 significant digits
    std::int64_t digits = 0;     // significant digits, without leading zeros
    std::int64_t exponent = 0;   // of the last significant digit
    bool negative = false;
};

Scanned scan_digits(const char* p, const char* end) {
    Scanned s;
    s.negative = *p == '-';
    bool fraction = false;
    for (p += s.negative; p < end && (*p | 0x20) != 'e'; ++p) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (fraction) --s.exponent;
        if (s.digits == 0 && *p == '0') continue;
        if (++s.digits <= 19) s.mantissa = s.mantissa * 10 + static_cast<std::uint64_t>(*p - '0');
    }
    if (p == end) return s;
    ++p;
    const bool negative_exponent = *p == '-';
    if (*p == '-' || *p == '+') ++p;
    std::int64_t exponent = 0;
    for (; p < end; ++p) exponent = std::min(exponent * 10 + (*p - '0'), kExponentClamp);
    s.exponent += negative_exponent ? -exponent : exponent;
    return s;
}

using Wide = unsigned __int128;

// 5^q as the upper 128 bits of its binary form, the highest bit set; of 5^-q rounded up, as the
// method needs it.
struct PowerOf5 {
    std::uint64_t high;
    std::uint64_t low;
};
constexpr int kPowerMax = 27;
constexpr std::size_t place_of_power(int exponent) {
    const int place = exponent + kPowerMax;
    return static_cast<std::size_t>(place);
}

constexpr PowerOf5 power_of_5(int exponent) {
    std::uint64_t power = 1;
    for (int i = 0; i < (exponent < 0 ? -exponent : exponent); ++i) power *= 5;
    Wide bits = power;
    if (exponent >= 0) {
        while ((bits >> 127) == 0) bits <<= 1;
    } else {
        // 2^(z + 127) / power + 1 with 2^z the next power of two: long division, bit by bit.
        int z = 0;
        while (z < 64 && (Wide{1} << z) < power) ++z;
        Wide rest = 1;
        bits = 0;
        for (int i = 0; i < z + 127; ++i) {
            rest <<= 1;
            bits <<= 1;
            if (rest >= power) {
                rest -= power;
                bits |= 1;
            }
        }
        ++bits;
    }
    return {static_cast<std::uint64_t>(bits >> 64), static_cast<std::uint64_t>(bits)};
}
constexpr std::array<PowerOf5, 2 * kPowerMax + 1> kPowersOf5 = [] {
    std::array<PowerOf5, 2 * kPowerMax + 1> powers{};
    for (int q = -kPowerMax; q <= kPowerMax; ++q) powers[place_of_power(q)] = power_of_5(q);
    return powers;
}();

// mantissa * 10^exponent, rounded to the nearest double, ties to even (D. Lemire, "Number parsing
// at a gigabyte per second", 2021). mantissa > 0, |exponent| <= kPowerMax: neither overflow nor
// subnormal numbers, and the 128 bits decide always.
double round_product(std::uint64_t mantissa, int exponent) {
    const int zeros = std::countl_zero(mantissa);
    const std::uint64_t w = mantissa << zeros;
    const PowerOf5& power = kPowersOf5[place_of_power(exponent)];
    const Wide product = Wide{w} * power.high;
    std::uint64_t upper = static_cast<std::uint64_t>(product >> 64);
    std::uint64_t lower = static_cast<std::uint64_t>(product);
    if ((upper & 0x1ff) == 0x1ff) {
        const auto more = static_cast<std::uint64_t>((Wide{w} * power.low) >> 64);
        lower += more;
        upper += lower < more;
    }
    const unsigned top = static_cast<unsigned>(upper >> 63);
    std::uint64_t digits = upper >> (top + 9);
    // Exactly between two doubles: to the even one.
    const bool may_tie = lower <= 1 && exponent >= -4 && exponent <= 23 && (digits & 3) == 1;
    if (may_tie && digits << (top + 9) == upper) digits &= ~std::uint64_t{1};
    digits = (digits + (digits & 1)) >> 1;
    std::uint64_t binary = static_cast<std::uint64_t>(((217706 * exponent) >> 16) + 1086 +
                                                      static_cast<int>(top) - zeros);
    if (digits >= std::uint64_t{1} << 53) {
        digits = std::uint64_t{1} << 52;
        ++binary;
    }
    return std::bit_cast<double>((digits & ((std::uint64_t{1} << 52) - 1)) | binary << 52);
}

// How many digits stand at `p`, kDigitsAtOnce at most, and their value.
struct Digits {
    std::uint64_t value;
    unsigned count;
};

#if defined(__SSE4_1__)

constexpr unsigned kDigitsAtOnce = 16;

// Bytes that move the first `count` of sixteen to the end and fill the front with zeros: 16 of them
// from [count] on.
constexpr std::array<std::uint8_t, 32> kToTheEnd = [] {
    std::array<std::uint8_t, 32> places{};
    for (std::size_t i = 0; i < 16; ++i) {
        places[i] = 0x80;
        places[16 + i] = static_cast<std::uint8_t>(i);
    }
    return places;
}();

// Neighbours are added up three times: by tens, by hundreds, by tens of thousands.
Digits digits_at(const char* p) {
    const __m128i zero = _mm_set1_epi8('0');
    const __m128i nine = _mm_set1_epi8(9);
    const __m128i bytes = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), zero);
    const auto others =
        static_cast<unsigned>(~_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, nine), bytes)));
    const auto count = static_cast<unsigned>(std::countr_zero(others));
    const __m128i order =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(kToTheEnd.data() + count));
    const __m128i ones = _mm_shuffle_epi8(bytes, order);
    const __m128i tens = _mm_maddubs_epi16(ones, _mm_set1_epi16(0x010a));
    const __m128i hundreds = _mm_madd_epi16(tens, _mm_set1_epi32(0x0001'0064));
    const __m128i packed = _mm_packus_epi32(hundreds, hundreds);
    const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x0001'2710));
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
    return {(both & 0xffffffff) * 100'000'000 + (both >> 32), count};
}

#else

constexpr unsigned kDigitsAtOnce = 8;

Digits digits_at(const char* p) {
    constexpr std::uint64_t kHigh = 0xf0f0f0f0f0f0f0f0ULL;
    constexpr std::uint64_t kDigit = 0x3030303030303030ULL;
    std::uint64_t bytes = load_u64(p);
    const std::uint64_t others =
        ((bytes & kHigh) ^ kDigit) | (((bytes + 0x0606060606060606ULL) & kHigh) ^ kDigit);
    const unsigned count = others == 0 ? 8 : static_cast<unsigned>(std::countr_zero(others)) / 8;
    if (count == 0) return {0, 0};
    bytes = (bytes - kDigit) << (8 * (8 - count));
    bytes = bytes * 10 + (bytes >> 8);
    const std::uint64_t value = ((bytes & 0x000000ff000000ffULL) * 0x000f424000000064ULL +
                                 ((bytes >> 16) & 0x000000ff000000ffULL) * 0x0000271000000001ULL) >>
                                32;
    return {value, count};
}

#endif

constexpr std::array<std::uint64_t, kDigitsAtOnce + 1> kWholePowersOf10 = [] {
    std::array<std::uint64_t, kDigitsAtOnce + 1> powers{1};
    for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
    return powers;
}();

// More digits than a mantissa holds, or an exponent beyond the tables.
JsonNumber finish_long(const Scanned& s, const char* begin, const char* end) {
    double value = 0;
    if (std::from_chars(begin, end, value).ec == std::errc::result_out_of_range) {
        value = s.digits + s.exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
        if (s.negative) value = -value;
    }
    return {value == 0 ? 0.0 : value, false};
}

[[gnu::always_inline]] inline JsonNumber finish(const Scanned& s, const char* begin,
                                                const char* end) {
    if (s.digits == 0) return {0, true};
    // Clinger's fast path: mantissa and power are exact doubles, so one operation rounds once.
    if (s.digits <= 15 && s.exponent >= -22 && s.exponent <= 22) {
        const double mantissa = static_cast<double>(s.mantissa);
        const double value = s.exponent < 0 ? mantissa / kPowersOf10[-s.exponent]
                                            : mantissa * kPowersOf10[s.exponent];
        return {s.negative ? -value : value, true};
    }
    if (s.digits <= 19 && s.exponent >= -kPowerMax && s.exponent <= kPowerMax) {
        const double value = round_product(s.mantissa, static_cast<int>(s.exponent));
        return {s.negative ? -value : value, false};
    }
    return finish_long(s, begin, end);
}

}  // namespace

JsonNumber decode_number(const char* begin, const char* end) {
    return finish(scan_digits(begin, end), begin, end);
}

const char* read_number(const char* begin, JsonNumber& number) {
    Scanned s;
    s.negative = *begin == '-';
    const char* p = begin + s.negative;
    if (*p == '0') {
        ++p;
    } else {
        const char* first = p;
        for (; is_digit(*p); ++p)
            s.mantissa = s.mantissa * 10 + static_cast<std::uint64_t>(*p - '0');
        if (p == first) return nullptr;
        s.digits = p - first;
    }
    if (*p == '.') {
        const char* first = ++p;
        if (!is_digit(*p)) return nullptr;
        if (s.digits == 0) {
            while (*p == '0') ++p;
        }
        s.digits -= p - first;
        for (unsigned count = kDigitsAtOnce; count == kDigitsAtOnce; p += count) {
            const Digits digits = digits_at(p);
            count = digits.count;
            s.mantissa = s.mantissa * kWholePowersOf10[count] + digits.value;
        }
        s.digits += p - first;
        s.exponent = first - p;
    }
    // An exponent, or more digits than the mantissa holds.
    if ((*p | 0x20) == 'e' || s.digits > 19) [[unlikely]] {
        const char* end = scan_number(begin);
        if (end) number = decode_number(begin, end);
        return end;
    }
    if (!ends_scalar(*p)) return nullptr;
    number = finish(s, begin, p);
    return p;
}

}  // namespace millrace::core
