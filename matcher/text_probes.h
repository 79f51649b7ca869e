// What: which kinds of pivots hang at a place (a field, or the event's pattern), and for a text met
//       there the pivots to ask for.
// Threads: values. Lifetime: none. Limits: kPivotLengths, kGramLengths. Failure: none.
#pragma once

#include "matcher/pivot.h"

#include <bit>
#include <cstdint>
#include <string_view>

namespace millrace::matcher {

// For a text as it is, or for its folded form.
struct TextProbes {
    bool equals = false;
    std::uint16_t prefixes = 0;  // bit i: of kPivotLengths[i] bytes
    std::uint16_t suffixes = 0;
    std::uint16_t grams = 0;  // bit n: runs of n bytes

    bool any() const { return equals || prefixes != 0 || suffixes != 0 || grams != 0; }
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
            case PivotKind::kCidr: break;
        }
    }
};

// Runs of bytes that some pivot anywhere wants, as a filter in front of the table: most runs of
// most texts are wanted by nobody.
class GramFilter {
public:
    void add(std::uint64_t hash) { bits_[(hash >> 6) & kMask] |= 1ULL << (hash & 63); }
    bool may_have(std::uint64_t hash) const {
        return (bits_[(hash >> 6) & kMask] >> (hash & 63)) & 1;
    }
    void clear() { bits_ = {}; }

private:
    static constexpr std::size_t kWords = 4096;  // 32 KiB: stays in the nearest cache
    static constexpr std::size_t kMask = kWords - 1;
    std::array<std::uint64_t, kWords> bits_{};
};

// Calls visit(kind, literal) for each pivot this text may meet. `fold` says which form the text is
// in.
template <typename Visit>
void visit_probes(const TextProbes& probes, std::string_view text, bool fold,
                  const GramFilter& filter, Visit visit) {
    const auto kind = [fold](PivotKind plain) {
        return fold ? static_cast<PivotKind>(static_cast<unsigned>(plain) + 4) : plain;
    };
    if (probes.equals) visit(kind(PivotKind::kEquals), text);
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
    for (unsigned bits = probes.grams; bits != 0; bits &= bits - 1) {
        const auto bytes = static_cast<std::size_t>(std::countr_zero(bits));
        for (std::size_t i = 0; i + bytes <= text.size(); ++i) {
            const std::string_view gram = text.substr(i, bytes);
            if (filter.may_have(core::hash_key(gram))) visit(kind(PivotKind::kContains), gram);
        }
    }
}

}  // namespace millrace::matcher
