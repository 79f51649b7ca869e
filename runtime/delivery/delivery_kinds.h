// What: what a delivery's kind says of it: whether it comes with its event, in the order of its
//       key, for the first time.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "runtime/delivery/key_order.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/pending_attempts.h"

namespace millrace::runtime {

inline KeyedDelivery keyed(const Attempt& attempt) {
    return {attempt.subscription->number, attempt.event.key_hash, attempt.event.position};
}

// It comes with the other deliveries of its event.
inline bool is_first(const WaitingDelivery& delivery) {
    return delivery.turn == WaitingDelivery::Turn::kFirst && !delivery.apart;
}

// Attempts of a replay, and of dead letters on their way back, are out of order.
inline bool in_order(const LaneJob& job) {
    return job.kind == JobKind::kBlock || job.kind == JobKind::kRetry ||
           job.kind == JobKind::kParked || job.kind == JobKind::kBehind;
}

// The event comes for the first time.
inline bool is_first_time(const LaneJob& job) {
    return job.kind == JobKind::kBlock || job.kind == JobKind::kBehind;
}

}  // namespace millrace::runtime
