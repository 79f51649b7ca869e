// What: a job that a lane has taken and not ended: where it is, and how many of its deliveries have
//       no outcome yet. Its block, and so its shard's cursor, waits for the last of them.
// Threads: the lane's. Lifetime: of the lane; kept as long as something in it waits or is pending.
// Limits: lane.h. Failure: none.
#pragma once

#include "runtime/delivery/lane_job.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace millrace::runtime {

struct OpenJob {
    explicit OpenJob(std::unique_ptr<LaneJob> taken)
        : job(std::move(taken)),
          shard(job->kind == JobKind::kScriptRun ? core::ShardId{} : job->shard()),
          left(job->items.size()) {}

    std::unique_ptr<LaneJob> job;
    const core::ShardId shard;
    std::size_t next_item = 0;  // the first one that was never tried
    std::size_t left;           // without an outcome
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;
    std::uint64_t left_out = 0;  // kBehind: their subscription does not run
    std::size_t bytes = 0;       // what it keeps in memory
    std::int64_t taken_ns = 0;

    // It came neither with a shard's block nor as a call.
    bool from_elsewhere() const {
        return job->kind != JobKind::kBlock && job->kind != JobKind::kScriptRun;
    }
    bool begun() const { return next_item >= job->items.size(); }
};

}  // namespace millrace::runtime
