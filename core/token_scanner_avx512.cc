// The scanner for processors with AVX-512 (BW, VBMI2): comparisons give masks, and one instruction
// moves the places of the bits that are set to the front.
#include "core/token_bits.h"
#include "core/token_scanner.h"

#include <algorithm>

namespace millrace::core {

#if defined(__x86_64__)

namespace {

#define MILLRACE_AVX512 [[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,popcnt,pclmul")]]
#define MILLRACE_AVX512_INLINE                                                \
    [[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,popcnt,pclmul"), \
      gnu::always_inline]] inline

// As in token_scanner.cc: looked up by the low four bits of a byte.
struct WideTables {
    __m512i space;
    __m512i op;
    __m512i places;  // 0 to 63
};

MILLRACE_AVX512_INLINE WideTables wide_tables() {
    const __m128i space = _mm_setr_epi8(' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n', 112,
                                        100, '\r', 100, 100);
    const __m128i op = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0);
    alignas(64) std::uint8_t places[64];
    for (unsigned i = 0; i < 64; ++i) places[i] = static_cast<std::uint8_t>(i);
    return {_mm512_broadcast_i32x4(space), _mm512_broadcast_i32x4(op), _mm512_load_si512(places)};
}

MILLRACE_AVX512_INLINE void write_sixteen(std::uint32_t* to, __m128i places, const __m512i& base) {
    _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_cvtepu8_epi32(places), base));
}

// Sixteen positions at a time; those behind the last one are written over by the next block.
MILLRACE_AVX512_INLINE std::uint32_t* write_places(std::uint32_t* out, std::uint32_t at,
                                                   std::uint64_t bits, const __m512i& places) {
    const __m512i front = _mm512_maskz_compress_epi8(bits, places);
    const __m512i base = _mm512_set1_epi32(static_cast<int>(at));
    const auto count = static_cast<unsigned>(_mm_popcnt_u64(bits));
    write_sixteen(out, _mm512_castsi512_si128(front), base);
    write_sixteen(out + 16, _mm512_extracti32x4_epi32(front, 1), base);
    if (count > 32) [[unlikely]] {
        write_sixteen(out + 32, _mm512_extracti32x4_epi32(front, 2), base);
        write_sixteen(out + 48, _mm512_extracti32x4_epi32(front, 3), base);
    }
    return out + count;
}

}  // namespace

bool TokenScanner::has_avx512() {
    static const bool supported =
        __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
        __builtin_cpu_supports("avx512vbmi2") != 0 && __builtin_cpu_supports("pclmul") != 0;
    return supported;
}

MILLRACE_AVX512 std::uint32_t* TokenScanner::scan_avx512(std::size_t bytes, std::uint32_t* out) {
    const WideTables t = wide_tables();
    std::uint64_t in_string = in_string_;
    std::uint64_t escaped = escaped_;
    std::uint64_t in_scalar = in_scalar_;
    std::uint64_t backslashes = 0;
    std::uint64_t high = 0;
    std::uint64_t control = 0;
    const __m512i blanks = _mm512_set1_epi8(' ');
    const std::size_t until = std::min(bytes, bytes_ - at_) + at_;
    std::size_t at = at_;
    for (; at < until; at += kBlockBytes) {
        const std::size_t left = bytes_ - at;
        const std::uint64_t there = left >= kBlockBytes ? ~0ULL : (1ULL << left) - 1;
        const __m512i block = _mm512_mask_loadu_epi8(blanks, there, text_ + at);
        std::uint64_t quote = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('"'));
        const std::uint64_t backslash = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('\\'));
        const std::uint64_t space =
            _mm512_cmpeq_epi8_mask(block, _mm512_shuffle_epi8(t.space, block));
        // A blank with bit 5 set is what it was, so it serves as that bit.
        const std::uint64_t op = _mm512_cmpeq_epi8_mask(_mm512_or_si512(block, blanks),
                                                        _mm512_shuffle_epi8(t.op, block));
        if ((backslash | escaped) != 0) [[unlikely]]
            quote &= ~escaped_bytes(backslash, escaped);
        backslashes |= backslash;
        high |= _mm512_movepi8_mask(block);
        const std::uint64_t inside = prefix_xor(quote) ^ in_string;  // the opening quote, too
        in_string = static_cast<std::uint64_t>(static_cast<std::int64_t>(inside) >> 63);
        control |= _mm512_cmple_epu8_mask(block, _mm512_set1_epi8(0x1f)) & inside;
        const std::uint64_t scalar = ~(op | space);
        const std::uint64_t unquoted = scalar & ~quote;
        const std::uint64_t starts = scalar & ~(unquoted << 1 | in_scalar);
        in_scalar = unquoted >> 63;
        out = write_places(out, static_cast<std::uint32_t>(at), (op | starts) & ~(inside ^ quote),
                           t.places);
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

bool TokenScanner::has_avx512() { return false; }
std::uint32_t* TokenScanner::scan_avx512(std::size_t, std::uint32_t* out) { return out; }
std::uint32_t* TokenScanner::scan_avx2(std::size_t, std::uint32_t* out) { return out; }

#endif

}  // namespace millrace::core
