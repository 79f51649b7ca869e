#include "core/json_number.h"

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cstring>
#include <limits>

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

#if LDBL_MANT_DIG == 64
constexpr long double kLongPowersOf10[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                           1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                           1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                           1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

// The 19 digits fit the 64-bit mantissa of the x87 format and the powers are exact in it, so one
// operation errs by half a unit of that format at most. Rounding that to a double is right unless
// the true value lies within a unit of the middle between two doubles: then say no.
bool round_by_extended(std::uint64_t mantissa, std::int64_t exponent, double& value) {
    const auto digits = static_cast<long double>(mantissa);
    const long double extended =
        exponent < 0 ? digits / kLongPowersOf10[-exponent] : digits * kLongPowersOf10[exponent];
    std::uint64_t bits = 0;
    std::memcpy(&bits, &extended, sizeof bits);
    const std::uint64_t below = bits & 0x7ff;  // what a double has no room for
    if (below >= 0x3ff && below <= 0x401) return false;
    value = static_cast<double>(extended);
    return true;
}
#else
bool round_by_extended(std::uint64_t, std::int64_t, double&) { return false; }
#endif

}  // namespace

JsonNumber decode_number(const char* begin, const char* end) {
    const Scanned s = scan_digits(begin, end);
    if (s.digits == 0) return {0, true};
    // Clinger's fast path: mantissa and power are exact doubles, so one operation rounds once.
    if (s.digits <= 15 && s.exponent >= -22 && s.exponent <= 22) {
        const double mantissa = static_cast<double>(s.mantissa);
        const double value = s.exponent < 0 ? mantissa / kPowersOf10[-s.exponent]
                                            : mantissa * kPowersOf10[s.exponent];
        return {s.negative ? -value : value, true};
    }
    double value = 0;
    if (s.digits <= 19 && s.exponent >= -27 && s.exponent <= 27 &&
        round_by_extended(s.mantissa, s.exponent, value)) {
        return {s.negative ? -value : value, false};
    }
    if (std::from_chars(begin, end, value).ec == std::errc::result_out_of_range) {
        value = s.digits + s.exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
        if (s.negative) value = -value;
    }
    return {value == 0 ? 0.0 : value, false};
}

}  // namespace millrace::core
