// What: the inside of a Snapshot and of a MatchScratch.
// Threads: a snapshot is immutable; a scratch has one owner.
// Lifetime: a snapshot shares its indexes with others. Limits: a few indexes. Failure: none.
#pragma once

#include "core/field_plan.h"
#include "matcher/index/index.h"
#include "matcher/index/live_sample.h"
#include "matcher/matcher.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

namespace millrace::matcher {

struct Snapshot::Impl {
    Version version = 0;
    std::size_t subscriptions = 0;
    std::vector<std::shared_ptr<const Index>> parts;  // the big one first
    std::shared_ptr<const core::FieldPlan> plan;
    std::shared_ptr<LiveSample> sample;  // may be null
};

struct MatchScratch::Impl {
    // By serial number of the index; a snapshot has at most nine.
    static constexpr std::size_t kIndexes = 12;
    EvalScratch eval;
    MatchList matches;
    IndexScratch indexes[kIndexes];
    std::uint64_t uses = 0;
    std::uint32_t unsampled = 0;  // events since the last one that was

    IndexScratch& of(std::uint64_t serial) {
        ++uses;
        for (IndexScratch& scratch : indexes) {
            if (scratch.serial != serial) continue;
            scratch.last_use = uses;
            return scratch;
        }
        // While subscriptions change, small indexes come and go by the hundred a second; what is
        // known of the big one must outlast them.
        IndexScratch& oldest = *std::min_element(
            std::begin(indexes), std::end(indexes),
            [](const IndexScratch& a, const IndexScratch& b) { return a.last_use < b.last_use; });
        oldest.last_use = uses;
        return oldest;
    }

    ~Impl() { RegexSet::free_scratch(eval); }
};

}  // namespace millrace::matcher
