// What: holds units back until every producer's part of their batch is there; then they go into
//       one write, so that a crash leaves all of the batch or nothing.
//       It can not come to a standstill. Of the batches that are not whole take the one that comes
//       first in the producers' common order: whatever a producer has sent before its part of that
//       batch belongs to batches that are whole, or to none, and is written; so that producer goes
//       on to its part, whatever its bound of units under way. This needs that a unit holds parts
//       of one batch only: with two, an earlier batch would wait for a later one.
// Threads: the log writer's. Lifetime: value. Failure: none; drain() gives up what is held.
// Limits: one part a producer, as long as the producer makes it.
#pragma once

#include "core/assert.h"
#include "store/commit/commit_unit.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace millrace::store {

class AllOrNone {
public:
    explicit AllOrNone(std::size_t producers) : held_(producers) {}

    // This producer's part is here and others' are not: what it has sent behind it must wait.
    bool blocks(std::size_t producer) const { return held_[producer].complete; }
    bool empty() const { return held_units_ == 0; }

    // Takes a unit of a batch; with the last one of it take(producer, unit) is called for all.
    template <typename Take>
    void add(std::size_t producer, CommitUnit&& unit, Take&& take) {
        Held& held = held_[producer];
        MR_ASSERT(unit.part.batch != 0 && !held.complete);
        MR_ASSERT(held.units.empty() || held.batch == unit.part.batch);
        const BatchPart part = unit.part;
        held.batch = part.batch;
        held.complete = part.last;
        held.units.push_back(std::move(unit));
        ++held_units_;
        if (!part.last) return;
        const auto complete = std::count_if(held_.begin(), held_.end(), [&](const Held& other) {
            return other.complete && other.batch == part.batch;
        });
        if (static_cast<std::size_t>(complete) < part.producers) return;
        release([&](const Held& other) { return other.batch == part.batch; }, take);
    }

    // Everything that is held, whole or not: nothing is written any more.
    template <typename Take>
    void drain(Take&& take) {
        release([](const Held&) { return true; }, take);
    }

private:
    struct Held {
        std::uint64_t batch = 0;
        bool complete = false;
        std::vector<CommitUnit> units;
    };

    template <typename Which, typename Take>
    void release(Which&& which, Take&& take) {
        for (std::size_t i = 0; i < held_.size(); ++i) {
            Held& held = held_[i];
            if (held.units.empty() || !which(held)) continue;
            for (CommitUnit& unit : held.units) take(i, std::move(unit));
            held_units_ -= held.units.size();
            held.units.clear();
            held.complete = false;
            held.batch = 0;
        }
    }

    std::vector<Held> held_;  // by producer
    std::size_t held_units_ = 0;
};

}  // namespace millrace::store
