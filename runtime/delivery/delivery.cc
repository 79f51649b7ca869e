#include "runtime/delivery/delivery.h"

#include <algorithm>

namespace millrace::runtime {

using store::DeliveryStatus;

DeliveryDecision decide_delivery(const DeliveryState& state, AttemptOutcome outcome,
                                 const RetryPolicy& policy, std::int64_t now_us,
                                 core::Random& random) {
    DeliveryDecision decision;
    decision.attempts_counted = state.attempts_counted;
    if (outcome == AttemptOutcome::kOk) return decision;
    if (outcome != AttemptOutcome::kSilent) ++decision.attempts_counted;
    decision.status = DeliveryStatus::kDead;
    if (outcome == AttemptOutcome::kFatal) return decision;

    // A silent failure before any counted one waits like a first retry; it uses up none of them.
    const std::uint32_t retry = std::max<std::uint32_t>(1, decision.attempts_counted);
    const auto delay_ms = retry_delay_ms(policy, retry, random, state.retry_after_ms);
    if (outcome == AttemptOutcome::kFailed && !delay_ms) return decision;
    decision.status = DeliveryStatus::kRetrying;
    decision.retry_at_us = now_us + delay_ms.value_or(policy.max_delay_ms) * 1000;
    return decision;
}

}  // namespace millrace::runtime
