// What: memory that asking conditions needs, reused from event to event.
// Threads: one owner (a reader's MatchScratch). Lifetime: value; `regex` is freed by its owner.
// Limits: grows to the largest event seen. Failure: none.
#pragma once

#include "matcher/index/element_bits.h"
#include "matcher/index/element_choice.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::matcher {

struct EvalScratch {
    std::string folded;
    const char* folded_of = nullptr;   // the text `folded` was made of, during one event
    void* regex = nullptr;             // hs_scratch_t, owned by MatchScratch
    std::vector<std::uint32_t> found;  // expressions of a bank

    // What one evaluation of one predicate knows of its tokens, by their place in the program.
    struct Known {
        enum class State : std::uint8_t {
            kNo,      // no value satisfies it; a kNot: it is false
            kFree,    // one does outside of all arrays, or nothing has to be chosen; a kNot: true
            kTied,    // only in these elements
            kMerged,  // answered for by a sibling on the same path
        };
        std::uint64_t evaluation = 0;
        State state = State::kNo;
        std::uint32_t begin = 0;  // kTied: into choice.elements
        std::uint32_t end = 0;
        std::uint32_t bits = ElementBits::kNone;  // kTied: the same as a set of bits
    };
    std::uint64_t evaluation = 0;
    std::vector<Known> known;
    ChoiceScratch choice;
    ElementBits bits;
    std::vector<std::uint32_t> sets;
};

}  // namespace millrace::matcher
