// What: the rules of an event that are asked when everything else about it is known to be well:
//       transitions, which need their keys' states, and scripts. What travels with a request from
//       where it was read to where it is appended.
// Threads: the edge shard's; homes read `changes` while the edge waits for them.
// Lifetime: of the request. Limits: those of a batch. Failure: none here.
#pragma once

#include "runtime/registry/schema_book.h"
#include "runtime/registry/state_book.h"
#include "runtime/schema/transition.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace millrace::runtime {

// What one schema has still to ask of an event that fits it so far.
struct LateRule {
    SchemaSet::Entry entry;
    std::vector<schema::Step> steps;
    std::vector<StateSlot*> slots = {};  // of each step, once they are held
};

// A step that the event makes if it is taken.
struct StateChange {
    StateSlot* slot = nullptr;
    std::uint64_t step = 0;
    std::string state;
};

struct LateItem {
    std::vector<LateRule> rules;
    bool returned = false;  // from the dead-letter queue: only its steps are made
    std::vector<StateChange> changes = {};

    bool steps() const {
        return std::any_of(rules.begin(), rules.end(),
                           [](const LateRule& rule) { return !rule.steps.empty(); });
    }
};

struct LateChecks {
    std::deque<LateItem> items;
    std::vector<StateSlot*> held;  // for this request, each once
    bool settled = false;
};

}  // namespace millrace::runtime
