// What: whether the owner of a partition may still begin what others see. Its log has not answered
//       for so long that another one may own it by now: what falls due, what links and edges bring
//       and what links send waits, as deliveries do (see Lane).
// Threads: any. Lifetime: none. Limits: none.
// Failure: none; a server that stands alone has no lease, and it is never over.
#pragma once

#include "core/clock.h"
#include "runtime/server/partition_seat.h"

#include <atomic>
#include <cstdint>

namespace millrace::runtime {

// Null: there is none.
inline bool lease_is_over(const core::Clock& clock, const std::atomic<std::int64_t>* until_ns) {
    // relaxed: a time, no data behind it
    return until_ns && clock.monotonic_ns() >= until_ns->load(std::memory_order_relaxed);
}
inline bool lease_is_over(const core::Clock& clock, const PartitionSeat* seat) {
    return seat && lease_is_over(clock, seat->lease_until_ns);
}

}  // namespace millrace::runtime
