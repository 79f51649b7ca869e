// What: how shards and lanes reach each other: a share of a block goes to a lane, what came of it
//       goes back to the shard.
// Threads: has_room() and submit() on the shard that sends, take_result() on the lane.
// Lifetime: both sides outlive the threads that call them.
// Limits: one bounded ring for each pair. Overflow policy: the shard spills to its log, the lane
//       keeps its result and waits.
// Failure: none; a full ring is an answer.
#pragma once

#include "runtime/delivery/lane_job.h"

#include <cstdint>
#include <memory>

namespace millrace::runtime {

// Where a lane takes a shard's jobs.
class LanePort {
public:
    virtual ~LanePort() = default;
    virtual bool has_room(core::ShardId from) const = 0;
    // Only after has_room(); wakes the lane.
    virtual void submit(core::ShardId from, std::unique_ptr<LaneJob> job) = 0;
};

// Where a lane's results go.
class ResultPort {
public:
    virtual ~ResultPort() = default;
    // False when the shard's ring is full; the result stays with the caller.
    virtual bool take_result(std::uint32_t lane, std::unique_ptr<LaneResult>& result) = 0;
};

}  // namespace millrace::runtime
