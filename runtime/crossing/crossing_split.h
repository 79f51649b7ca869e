// What: takes out of a result what of its events is of another partition: those with a partitionKey
//       that hashes elsewhere become rows of the outbox in the same commit. What has no key stays
//       with its cause, so does what comes back from the dead-letter queue, and what stands for an
//       event that was none.
// Threads: the shard's. Lifetime: borrows the outbox.
// Limits: those of a result. Failure: what does not read stays, and is told by whoever takes it in.
#pragma once

#include "core/event_parser.h"
#include "runtime/crossing/outbox.h"
#include "runtime/delivery/lane_job.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::store {
class PoolSet;
}

namespace millrace::runtime::crossing {

class CrossingSplit {
public:
    struct Place {
        std::size_t partition = 0;
        std::size_t partitions = 1;
        std::uint64_t seed = 0;  // the cluster's
    };
    CrossingSplit(const Place& place, Outbox& outbox, store::PoolSet& pools)
        : place_(place), outbox_(outbox), pools_(pools) {}

    // How many have left. Without any the result is as it was; when nothing stays it has no events.
    std::size_t split(LaneResult& result, std::int64_t now_us);
    const Outbox& outbox() const { return outbox_; }

private:
    struct Leaving {
        std::uint32_t entry = 0;
        std::size_t to = 0;
        std::string_view event{};  // of the result's text
    };
    void find_leaving(const LaneResult& result);
    void count_as_they_came(LaneResult& result) const;
    void take_out(LaneResult& result);

    const Place place_;
    Outbox& outbox_;
    store::PoolSet& pools_;
    core::EventParser parser_;
    std::vector<Leaving> leaving_;  // in the order of entries
    std::string text_;
};

}  // namespace millrace::runtime::crossing
