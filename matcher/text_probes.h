// What: which kinds of pivots hang at a place (a field, or the event's pattern), and for a text met
//       there the pivots to ask for.
// Threads: values. Lifetime: none. Limits: kPivotLengths, kGramLengths. Failure: none.
#pragma once

#include "matcher/pivot.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::matcher {

// For a text as it is, or for its folded form.
struct TextProbes {
    bool equals = false;
    std::uint16_t prefixes = 0;  // bit i: of kPivotLengths[i] bytes
    std::uint16_t suffixes = 0;
    std::uint16_t grams = 0;  // bit n: runs of n bytes

    bool any() const { return equals || parts(); }
    bool parts() const { return (prefixes | suffixes | grams) != 0; }
    void note(PivotKind kind, std::size_t bytes) {
        switch (kind) {
            case PivotKind::kEquals:
            case PivotKind::kEqualsFold: equals = true; break;
            case PivotKind::kPrefix:
            case PivotKind::kPrefixFold:
                prefixes |= static_cast<std::uint16_t>(1u << length_index(bytes));
                break;
            case PivotKind::kSuffix:
            case PivotKind::kSuffixFold:
                suffixes |= static_cast<std::uint16_t>(1u << length_index(bytes));
                break;
            case PivotKind::kContains:
            case PivotKind::kContainsFold: grams |= static_cast<std::uint16_t>(1u << bytes); break;
            case PivotKind::kCidr:
            case PivotKind::kRegex: break;
        }
    }
};

// Runs of bytes that some pivot anywhere wants, as a filter in front of the table: most runs of
// most texts are wanted by nobody. Runs of four bytes and more are asked about by their last four
// first, which costs a multiplication for each byte of the text.
class GramFilter {
public:
    void add(std::string_view gram) {
        added_.push_back(core::hash_key(gram));
        if (gram.size() >= kTail)
            tails_added_.push_back(core::load_u32(gram.data() + gram.size() - kTail));
    }
    void build() {
        // Sixteen bits for each: one foreign run in sixteen passes.
        const std::size_t size = std::bit_ceil(std::max<std::size_t>(added_.size() * 16, 512));
        shift_ = 64 - static_cast<unsigned>(std::countr_zero(size));
        bits_.assign(size / 64, 0);
        for (const std::uint64_t hash : added_)
            bits_[hash >> shift_ >> 6] |= 1ULL << (hash >> shift_ & 63);
        added_ = {};
        tails_.assign(tails_added_.empty() ? 0 : kTailBits / 64, 0);
        for (const std::uint32_t tail : tails_added_)
            tails_[tail_place(tail) / 64] |= 1ULL << (tail_place(tail) % 64);
        tails_added_ = {};
    }
    bool may_have(std::uint64_t hash) const {
        return (bits_[hash >> shift_ >> 6] >> (hash >> shift_ & 63)) & 1;
    }
    bool may_have_tail(std::uint32_t tail) const {
        const std::uint32_t place = tail_place(tail);
        return (tails_[place / 64] >> (place % 64)) & 1;
    }
    std::size_t bytes() const { return (bits_.capacity() + tails_.capacity()) * 8; }

    static constexpr std::size_t kTail = 4;

private:
    // Two kilobytes stay in the nearest cache.
    static constexpr std::uint32_t kTailBits = 1u << 14;
    static std::uint32_t tail_place(std::uint32_t tail) { return (tail * 0x9e3779b1u) >> 18; }
    std::vector<std::uint64_t> added_;
    std::vector<std::uint32_t> tails_added_;
    std::vector<std::uint64_t> bits_;
    std::vector<std::uint64_t> tails_;
    unsigned shift_ = 0;
};

// Calls visit(gram) for each run of the text, of the lengths noted, that may be wanted.
template <typename Visit>
void visit_grams(unsigned lengths, std::string_view text, const GramFilter& filter, Visit visit) {
    const auto ask = [&](std::string_view gram) {
        if (filter.may_have(core::hash_key(gram))) visit(gram);
    };
    for (std::size_t bytes = 1; bytes < GramFilter::kTail; ++bytes) {
        if ((lengths >> bytes & 1) == 0) continue;
        for (std::size_t i = 0; i + bytes <= text.size(); ++i) ask(text.substr(i, bytes));
    }
    if (lengths >> GramFilter::kTail == 0) return;
    for (std::size_t end = GramFilter::kTail; end <= text.size(); ++end) {
        if (!filter.may_have_tail(core::load_u32(text.data() + end - GramFilter::kTail))) continue;
        for (unsigned bits = lengths & ~0xfu; bits != 0; bits &= bits - 1) {
            const auto bytes = static_cast<std::size_t>(std::countr_zero(bits));
            if (bytes <= end) ask(text.substr(end - bytes, bytes));
        }
    }
}

// Calls visit(kind, literal) for each pivot this text may meet by a part of it. `fold` says which
// form the text is in.
template <typename Visit>
void visit_parts(const TextProbes& probes, std::string_view text, bool fold,
                 const GramFilter& filter, Visit visit) {
    const auto kind = [fold](PivotKind plain) {
        return fold ? static_cast<PivotKind>(static_cast<unsigned>(plain) + 4) : plain;
    };
    for (unsigned bits = probes.prefixes; bits != 0; bits &= bits - 1) {
        const std::size_t bytes = kPivotLengths[static_cast<std::size_t>(std::countr_zero(bits))];
        if (bytes > text.size()) break;
        visit(kind(PivotKind::kPrefix), text.substr(0, bytes));
    }
    for (unsigned bits = probes.suffixes; bits != 0; bits &= bits - 1) {
        const std::size_t bytes = kPivotLengths[static_cast<std::size_t>(std::countr_zero(bits))];
        if (bytes > text.size()) break;
        visit(kind(PivotKind::kSuffix), text.substr(text.size() - bytes));
    }
    if (probes.grams == 0) return;
    visit_grams(probes.grams, text, filter,
                [&](std::string_view gram) { visit(kind(PivotKind::kContains), gram); });
}

}  // namespace millrace::matcher
