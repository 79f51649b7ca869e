// What: one block of the log on its way through a replay: what of it is to be delivered, what has
//       been handed over, what came of it.
// Threads: the feeder's; `jobs`, `delivered` and `failed` are counted by those who deliver.
// Lifetime: shared by the replay and the jobs that are under way.
// Limits: one block's events times their subscriptions. Failure: none.
#pragma once

#include "runtime/delivery/lane_job.h"
#include "runtime/replay/replay_types.h"

#include <atomic>
#include <cstdint>
#include <vector>

namespace millrace::runtime {

struct ReplayBlock {
    core::ShardId shard;
    core::LogOffset end;              // one past its last event
    store::EventBlock events;         // until all of it is handed over
    std::vector<DeliveryItem> items;  // to be delivered
    std::size_t next_item = 0;        // the first one that was not handed over
    // What is known when it was read. Delivered and failed: by an earlier process.
    ReplayTally tally;

    std::atomic<std::uint32_t> jobs{0};  // handed over and not ended
    std::atomic<std::uint64_t> delivered{0};
    std::atomic<std::uint64_t> failed{0};

    std::size_t left() const { return items.size() - next_item; }
    // pairs with the release of whoever ends a job
    bool ended() const { return left() == 0 && jobs.load(std::memory_order_acquire) == 0; }
    ReplayTally so_far() const {
        ReplayTally sum = tally;
        sum.delivered += delivered.load(std::memory_order_relaxed);
        sum.failed += failed.load(std::memory_order_relaxed);
        return sum;
    }
};

}  // namespace millrace::runtime
