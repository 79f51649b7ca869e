#include "core/token_scanner.h"

#include "core/token_bits.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace millrace::core {

#if defined(__x86_64__)

namespace {

#define MILLRACE_AVX2 [[gnu::target("avx2,bmi,pclmul")]]
#define MILLRACE_AVX2_INLINE [[gnu::target("avx2,bmi,pclmul"), gnu::always_inline]] inline

// One bit a byte, for each class that matters.
struct Classes {
    std::uint64_t quote;
    std::uint64_t backslash;
    std::uint64_t space;
    std::uint64_t op;
    std::uint64_t control;
    std::uint64_t high;
};

// Both tables are looked up by the low four bits of a byte: a byte is of the class when it is what
// stands there. For operators bit 5 is set first, which makes [ ] of { } and leaves , and : alone;
// 0x0c and 0x1a become , and : too, but control bytes outside of strings are refused by whoever
// reads the token.
struct Tables {
    __m256i space;
    __m256i op;
};

MILLRACE_AVX2_INLINE Tables tables() {
    const __m128i space = _mm_setr_epi8(' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n', 112,
                                        100, '\r', 100, 100);
    const __m128i op = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0);
    return {_mm256_broadcastsi128_si256(space), _mm256_broadcastsi128_si256(op)};
}

MILLRACE_AVX2_INLINE std::uint64_t bits_of(__m256i low, __m256i high) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
           static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_epi8(high))) << 32;
}

MILLRACE_AVX2_INLINE __m256i equal(__m256i a, __m256i b) { return _mm256_cmpeq_epi8(a, b); }

MILLRACE_AVX2_INLINE Classes classify(__m256i a, __m256i b, const Tables& t) {
    const __m256i quote = _mm256_set1_epi8('"');
    const __m256i backslash = _mm256_set1_epi8('\\');
    const __m256i bit5 = _mm256_set1_epi8(0x20);
    const __m256i last_control = _mm256_set1_epi8(0x1f);
    Classes c;
    c.quote = bits_of(equal(a, quote), equal(b, quote));
    c.backslash = bits_of(equal(a, backslash), equal(b, backslash));
    c.space = bits_of(equal(a, _mm256_shuffle_epi8(t.space, a)),
                      equal(b, _mm256_shuffle_epi8(t.space, b)));
    c.op = bits_of(equal(_mm256_or_si256(a, bit5), _mm256_shuffle_epi8(t.op, a)),
                   equal(_mm256_or_si256(b, bit5), _mm256_shuffle_epi8(t.op, b)));
    c.control = bits_of(equal(_mm256_max_epu8(a, last_control), last_control),
                        equal(_mm256_max_epu8(b, last_control), last_control));
    c.high = bits_of(a, b);
    return c;
}

// The places of the set bits of a byte.
struct BitPlaces {
    alignas(64) std::uint8_t of[256][8];
};
constexpr BitPlaces kBitPlaces = [] {
    BitPlaces places{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        unsigned count = 0;
        for (unsigned bit = 0; bit < 8; ++bit) {
            if (byte >> bit & 1u) places.of[byte][count++] = static_cast<std::uint8_t>(bit);
        }
    }
    return places;
}();

// Byte n: the set bits in the bytes below n.
MILLRACE_AVX2_INLINE std::uint64_t counts_below(std::uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555ULL;
    bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return bits * 0x0101010101010100ULL;
}

// Eight bits give eight positions, of which those that count stand in front; the next eight are
// written over the others. No branch hangs on how many there are: that is hard to foretell.
MILLRACE_AVX2_INLINE std::uint32_t* write_positions(std::uint32_t* out, std::uint32_t at,
                                                    std::uint64_t bits) {
    std::uint64_t below = counts_below(bits);
    const std::uint32_t count = static_cast<std::uint32_t>(_mm_popcnt_u64(bits));
    __m256i base = _mm256_set1_epi32(static_cast<int>(at));
    const __m256i eight = _mm256_set1_epi32(8);
    for (int i = 0; i < 8; ++i) {
        const __m128i places =
            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kBitPlaces.of[bits & 0xff]));
        const __m256i positions = _mm256_add_epi32(_mm256_cvtepu8_epi32(places), base);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (below & 0xff)), positions);
        base = _mm256_add_epi32(base, eight);
        bits >>= 8;
        below >>= 8;
    }
    return out + count;
}

}  // namespace

bool TokenScanner::is_supported() {
    static const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                                  __builtin_cpu_supports("pclmul");
    return supported;
}

std::uint32_t* TokenScanner::scan(std::size_t bytes, std::uint32_t* out) {
    static const bool wide = has_avx512();
    return wide ? scan_avx512(bytes, out) : scan_avx2(bytes, out);
}

MILLRACE_AVX2 std::uint32_t* TokenScanner::scan_avx2(std::size_t bytes, std::uint32_t* out) {
    const Tables t = tables();
    std::uint64_t in_string = in_string_;
    std::uint64_t escaped = escaped_;
    std::uint64_t in_scalar = in_scalar_;
    std::uint64_t backslashes = 0;
    std::uint64_t high = 0;
    std::uint64_t control = 0;
    const std::size_t until = bytes < bytes_ - at_ ? at_ + bytes : bytes_;
    std::size_t at = at_;
    for (; at < until; at += kBlockBytes) {
        const char* p = text_ + at;
        alignas(32) char last[kBlockBytes];
        if (bytes_ - at < kBlockBytes) [[unlikely]] {
            std::memset(last, ' ', kBlockBytes);
            std::memcpy(last, p, bytes_ - at);
            p = last;
        }
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
        const Classes c = classify(a, b, t);
        std::uint64_t quote = c.quote;
        if ((c.backslash | escaped) != 0) [[unlikely]]
            quote &= ~escaped_bytes(c.backslash, escaped);
        backslashes |= c.backslash;
        high |= c.high;
        const std::uint64_t inside = prefix_xor(quote) ^ in_string;  // the opening quote, too
        in_string = static_cast<std::uint64_t>(static_cast<std::int64_t>(inside) >> 63);
        control |= c.control & inside;
        const std::uint64_t scalar = ~(c.op | c.space);
        const std::uint64_t unquoted = scalar & ~quote;
        const std::uint64_t starts = scalar & ~(unquoted << 1 | in_scalar);
        in_scalar = unquoted >> 63;
        out = write_positions(out, static_cast<std::uint32_t>(at),
                              (c.op | starts) & ~(inside ^ quote));
    }
    at_ = at;
    in_string_ = in_string;
    escaped_ = escaped;
    in_scalar_ = in_scalar;
    has_backslash_ |= backslashes != 0;
    has_high_bit_ |= high != 0;
    has_control_ |= control != 0;
    return out;
}

#else

bool TokenScanner::is_supported() { return false; }
std::uint32_t* TokenScanner::scan(std::size_t, std::uint32_t* out) { return out; }

#endif

}  // namespace millrace::core
