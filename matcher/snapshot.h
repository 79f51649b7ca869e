// What: the inside of a Snapshot and of a MatchScratch.
// Threads: a snapshot is immutable; a scratch has one owner.
// Lifetime: a snapshot shares its indexes with others. Limits: a few indexes. Failure: none.
#pragma once

#include "core/field_plan.h"
#include "matcher/index.h"
#include "matcher/matcher.h"

#include <memory>
#include <vector>

namespace millrace::matcher {

struct Snapshot::Impl {
    Version version = 0;
    std::size_t subscriptions = 0;
    std::vector<std::shared_ptr<const Index>> parts;  // the big one first
    std::shared_ptr<const core::FieldPlan> plan;
};

struct MatchScratch::Impl {
    // By serial number of the index; a snapshot has at most nine.
    static constexpr std::size_t kIndexes = 12;
    EvalScratch eval;
    std::vector<Match> matches;
    IndexScratch indexes[kIndexes];
    std::size_t next = 0;

    IndexScratch& of(std::uint64_t serial) {
        for (IndexScratch& scratch : indexes) {
            if (scratch.serial == serial) return scratch;
        }
        next = (next + 1) % kIndexes;
        return indexes[next];
    }

    ~Impl() { RegexSet::free_scratch(eval); }
};

}  // namespace millrace::matcher
