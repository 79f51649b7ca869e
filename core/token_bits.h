// What: what the token scanners for different processors share: which bytes are escaped, and which
//       lie inside strings, as masks of 64 bits, one a byte. Both are simdjson's (G. Langdale, D.
//       Lemire, "Parsing gigabytes of JSON per second", 2019).
// Threads: pure. Lifetime, limits, failure: none.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace millrace::core {

// Bytes behind an odd run of backslashes; carries a run over the end of the block.
[[gnu::always_inline]] inline std::uint64_t escaped_bytes(std::uint64_t backslash,
                                                          std::uint64_t& carry) {
    constexpr std::uint64_t kEven = 0x5555555555555555ULL;
    backslash &= ~carry;
    const std::uint64_t follows = backslash << 1 | carry;
    const std::uint64_t odd_starts = backslash & ~kEven & ~follows;
    std::uint64_t even_sequences = 0;
    carry = __builtin_add_overflow(odd_starts, backslash, &even_sequences) ? 1 : 0;
    return (kEven ^ (even_sequences << 1)) & follows;
}

#if defined(__x86_64__)

// Bit n: the number of set bits up to and including n is odd.
[[gnu::target("pclmul"), gnu::always_inline]] inline std::uint64_t prefix_xor(std::uint64_t bits) {
    const __m128i ones = _mm_set1_epi8(static_cast<char>(0xff));
    const __m128i product =
        _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(bits)), ones, 0);
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

#endif

}  // namespace millrace::core
