// What: runs of bytes that some pivot anywhere wants, as a filter in front of the table: most runs
//       of most texts are wanted by nobody. Runs of four bytes and more are asked about by their
//       last four first, eight places of the text at once where the processor has AVX2.
// Threads: built by one; then read by any number. Lifetime: value.
// Limits: none. Failure: none; what is not wanted may pass, what is wanted always does.
#pragma once

#include "core/key_hash.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::matcher {

class GramFilter {
public:
    static constexpr std::size_t kTail = 4;     // bytes
    static constexpr std::size_t kAtOnce = 64;  // places a call of tails_wanted() looks at

    void add(std::string_view gram);
    void build();

    bool may_have(std::uint64_t hash) const {
        return (bits_[hash >> shift_ >> 6] >> (hash >> shift_ & 63)) & 1;
    }
    // Bit i: the four bytes at text[from + i] may end a run that is wanted.
    std::uint64_t tails_wanted(std::string_view text, std::size_t from) const;

    std::size_t bytes() const { return bits_.capacity() * 8 + tails_.capacity() * 4; }

private:
    bool may_have_tail(std::uint32_t tail) const {
        const std::uint32_t place = (tail * kSpread) >> tail_shift_;
        return (tails_[place / 32] >> (place % 32)) & 1;
    }
    std::uint64_t tails_wanted_avx2(const char* text, std::size_t places) const;

    static constexpr std::uint32_t kSpread = 0x9e3779b1u;

    std::vector<std::uint64_t> added_;
    std::vector<std::uint32_t> tails_added_;
    std::vector<std::uint64_t> bits_;
    std::vector<std::uint32_t> tails_;
    unsigned shift_ = 0;
    unsigned tail_shift_ = 18;
};

}  // namespace millrace::matcher
