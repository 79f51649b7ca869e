// What: a blocked bloom filter (Putze, Sanders, Singler 2007): all bits of an item lie in one cache
//       line, so a probe costs one miss. At 12 bits an item about 0.7 % false hits.
// Threads: pure functions over bytes. Lifetime: the caller's bytes. Limits: none. Failure: none.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::store {

inline constexpr std::size_t kBloomLineBytes = 64;

constexpr std::size_t bloom_bytes_for(std::size_t items, std::size_t bits_per_item) {
    const std::size_t lines =
        (items * bits_per_item + kBloomLineBytes * 8 - 1) / (kBloomLineBytes * 8);
    return (lines == 0 ? 1 : lines) * kBloomLineBytes;
}

// Six probes of 9 bits each, all from one multiplication.
struct BloomProbe {
    std::size_t line;
    std::uint64_t bits;
    static constexpr int kProbes = 6;

    BloomProbe(std::uint64_t hash, std::size_t filter_bytes) {
        const std::size_t lines = filter_bytes / kBloomLineBytes;
        line = static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * lines) >> 64);
        bits = (hash ^ (hash >> 29)) * 0x9e3779b97f4a7c15ULL;
        bits ^= bits >> 32;
    }
    unsigned next() {
        const auto bit = static_cast<unsigned>(bits & 511u);
        bits >>= 9;
        return bit;
    }
};

inline void bloom_add(char* filter, std::size_t filter_bytes, std::uint64_t hash) {
    BloomProbe probe(hash, filter_bytes);
    char* line = filter + probe.line * kBloomLineBytes;
    for (int i = 0; i < BloomProbe::kProbes; ++i) {
        const unsigned bit = probe.next();
        line[bit >> 3] =
            static_cast<char>(static_cast<unsigned char>(line[bit >> 3]) | (1u << (bit & 7u)));
    }
}

inline bool bloom_may_contain(std::string_view filter, std::uint64_t hash) {
    if (filter.size() < kBloomLineBytes) return false;
    BloomProbe probe(hash, filter.size());
    const char* line = filter.data() + probe.line * kBloomLineBytes;
    for (int i = 0; i < BloomProbe::kProbes; ++i) {
        const unsigned bit = probe.next();
        if (((static_cast<unsigned char>(line[bit >> 3]) >> (bit & 7u)) & 1u) == 0) return false;
    }
    return true;
}

// The same text in different fields gives different items.
enum class SummaryField : std::uint8_t {
    kSource = 1,
    kCorrelation = 2,
    kCausation = 3,
    kContext = 4,
    kPattern = 5
};
constexpr std::uint64_t summary_item(SummaryField field, std::uint64_t hash) {
    return hash * 0xff51afd7ed558ccdULL + static_cast<std::uint64_t>(field) * 0x9e3779b97f4a7c15ULL;
}

// Patterns go in only where there are too many of them to list.
inline std::uint64_t pattern_item(std::string_view pattern) {
    return summary_item(SummaryField::kPattern, XXH3_64bits(pattern.data(), pattern.size()));
}

}  // namespace millrace::store
