// What: which kinds of pivots hang at a place (a field, or the event's pattern), and for a text met
//       there the pivots to ask for.
// Threads: values. Lifetime: none. Limits: kPivotLengths, kGramLengths. Failure: none.
#pragma once

#include "matcher/index/gram_filter.h"
#include "matcher/index/pivot.h"

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
    for (std::size_t at = 0; at + GramFilter::kTail <= text.size(); at += GramFilter::kAtOnce) {
        std::uint64_t wanted = filter.tails_wanted(text, at);
        for (; wanted != 0; wanted &= wanted - 1) {
            const std::size_t end =
                at + static_cast<std::size_t>(std::countr_zero(wanted)) + GramFilter::kTail;
            for (unsigned bits = lengths & ~0xfu; bits != 0; bits &= bits - 1) {
                const auto bytes = static_cast<std::size_t>(std::countr_zero(bits));
                if (bytes <= end) ask(text.substr(end - bytes, bytes));
            }
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
