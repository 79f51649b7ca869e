// What: in whose order a request is: its tenant's; of what a lane brings, the lane's. Those of one
//       order that depend on each other (partition keys, states) pass the edge's gates as they
//       came.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "runtime/delivery/lane_job.h"
#include "runtime/shard/ingest_request.h"

#include <cstdint>

namespace millrace::runtime {

inline std::uint64_t order_of(const IngestRequest& request) {
    constexpr std::uint64_t kLane = std::uint64_t{1} << 32;
    constexpr std::uint64_t kNobody = std::uint64_t{1} << 33;
    if (request.origin != IngestOrigin::kLane) return request.tenant.value;
    return request.lane_result ? kLane + request.lane_result->lane : kNobody;
}

}  // namespace millrace::runtime
