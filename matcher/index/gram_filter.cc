#include "matcher/index/gram_filter.h"

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace millrace::matcher {

namespace {

// Two kilobytes stay in the nearest cache; more than sixteen would push out what else is asked.
constexpr std::size_t kTailBitsMin = 1u << 14;
constexpr std::size_t kTailBitsMax = 1u << 17;
constexpr std::size_t kBlock = 16;  // bytes that one step of the fast way loads

bool has_avx2() {
#if defined(__x86_64__)
    static const bool supported = __builtin_cpu_supports("avx2") != 0;
    return supported;
#else
    return false;
#endif
}

}  // namespace

void GramFilter::add(std::string_view gram) {
    added_.push_back(core::hash_key(gram));
    if (gram.size() >= kTail)
        tails_added_.push_back(core::load_u32(gram.data() + gram.size() - kTail));
}

void GramFilter::build() {
    // Sixteen bits for each: one foreign run in sixteen passes.
    const std::size_t size = std::bit_ceil(std::max<std::size_t>(added_.size() * 16, 512));
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(size));
    bits_.assign(size / 64, 0);
    for (const std::uint64_t hash : added_)
        bits_[hash >> shift_ >> 6] |= 1ULL << (hash >> shift_ & 63);
    added_ = {};
    // Many runs end alike.
    std::sort(tails_added_.begin(), tails_added_.end());
    tails_added_.erase(std::unique(tails_added_.begin(), tails_added_.end()), tails_added_.end());
    const std::size_t tail_bits =
        std::clamp(std::bit_ceil(tails_added_.size() * 16), kTailBitsMin, kTailBitsMax);
    tail_shift_ = 32 - static_cast<unsigned>(std::countr_zero(tail_bits));
    tails_.assign(tail_bits / 32, 0);
    for (const std::uint32_t tail : tails_added_) {
        const std::uint32_t place = (tail * kSpread) >> tail_shift_;
        tails_[place / 32] |= 1u << (place % 32);
    }
    tails_added_ = {};
}

std::uint64_t GramFilter::tails_wanted(std::string_view text, std::size_t from) const {
    const char* at = text.data() + from;
    const std::size_t places = std::min(text.size() - from - kTail + 1, kAtOnce);
    if (places + kTail - 1 >= kBlock && has_avx2()) return tails_wanted_avx2(at, places);
    std::uint64_t wanted = 0;
    for (std::size_t i = 0; i < places; ++i)
        wanted |= static_cast<std::uint64_t>(may_have_tail(core::load_u32(at + i))) << i;
    return wanted;
}

#if defined(__x86_64__)

namespace {

// What a step asks with: the filter's words and how a run becomes a place in them.
struct TailQuestion {
    const int* words;
    __m256i spread;
    __m128i shift;
};

// Eight runs of four bytes of a block: `runs` says which bytes they are.
[[gnu::target("avx2"), gnu::always_inline]] inline std::uint64_t ask_tails(
    const TailQuestion& question, const char* block, const __m256i& runs) {
    const __m256i bytes =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block)));
    const __m256i tails = _mm256_shuffle_epi8(bytes, runs);
    const __m256i place =
        _mm256_srl_epi32(_mm256_mullo_epi32(tails, question.spread), question.shift);
    const __m256i word = _mm256_i32gather_epi32(question.words, _mm256_srli_epi32(place, 5), 4);
    // The bit asked for becomes the sign.
    const __m256i up = _mm256_andnot_si256(place, _mm256_set1_epi32(31));
    const __m256 signs = _mm256_castsi256_ps(_mm256_sllv_epi32(word, up));
    return static_cast<std::uint32_t>(_mm256_movemask_ps(signs));
}

}  // namespace

// A block of sixteen bytes holds thirteen runs of four. A step takes the first eight of them; what
// is left at the end is asked in the last block, so that nothing behind the text is read.
[[gnu::target("avx2")]] std::uint64_t GramFilter::tails_wanted_avx2(const char* text,
                                                                    std::size_t places) const {
    const __m256i first = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6,  //
                                           4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
    constexpr std::size_t kStep = 8;
    constexpr std::size_t kLast = kBlock - kTail + 1 - kStep;  // the last eight of thirteen
    const TailQuestion question{reinterpret_cast<const int*>(tails_.data()),
                                _mm256_set1_epi32(static_cast<int>(kSpread)),
                                _mm_cvtsi32_si128(static_cast<int>(tail_shift_))};
    std::uint64_t wanted = 0;
    const std::size_t bytes = places + kTail - 1;
    std::size_t at = 0;
    for (; at + kBlock <= bytes; at += kStep) wanted |= ask_tails(question, text + at, first) << at;
    if (at >= places) return wanted;
    const std::size_t block = bytes - kBlock;
    for (const std::size_t skip : {std::min(at - block, kLast), kLast}) {
        const __m256i runs = _mm256_add_epi8(first, _mm256_set1_epi8(static_cast<char>(skip)));
        wanted |= ask_tails(question, text + block, runs) << (block + skip);
        if (skip == kLast) break;
    }
    return wanted;
}

#else

std::uint64_t GramFilter::tails_wanted_avx2(const char*, std::size_t) const { return 0; }

#endif

}  // namespace millrace::matcher
