// What: the decisions about one delivery, as pure functions: what an attempt's outcome means under
//       a retry policy. State in, actions out; nobody here knows a queue, a clock or a store.
// Threads: any. Lifetime: values. Limits: the policy's own. Failure: none.
#pragma once

#include "core/random.h"
#include "runtime/registry/retry_policy.h"
#include "store/log/format.h"

#include <cstdint>

namespace millrace::runtime {

// How one attempt ended, as its executor saw it.
enum class AttemptOutcome : std::uint8_t {
    kOk,      // the handler returned
    kFailed,  // an error: counts as an attempt
    kSilent,  // not the handler's fault (shutdown, ctx.fail("silent")): does not count
    kFatal,   // ctx.fail("fatal"): no further attempt
};

struct DeliveryDecision {
    store::DeliveryStatus status = store::DeliveryStatus::kCompleted;
    // failed attempts so far, this one included where it counts
    std::uint32_t attempts_counted = 0;
    std::int64_t retry_at_us = 0;  // wall time; valid when kRetrying
};

struct DeliveryState {
    std::uint32_t attempts_made = 0;     // before this one
    std::uint32_t attempts_counted = 0;  // of those, the ones that used up a retry
    std::int64_t retry_after_ms = 0;     // what the receiver asked for; 0 when it did not
};

// Decides after one attempt. `now_us` is wall time; `random` spreads the delays.
DeliveryDecision decide_delivery(const DeliveryState& state, AttemptOutcome outcome,
                                 const RetryPolicy& policy, std::int64_t now_us,
                                 core::Random& random);

}  // namespace millrace::runtime
