#include "runtime/delivery/delivery.h"

#include <optional>

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

    std::optional<std::int64_t> delay_ms;
    if (outcome == AttemptOutcome::kSilent) {
        const std::uint32_t silent = 1 + state.attempts_made - state.attempts_counted;
        delay_ms = silent_delay_ms(policy, silent, random, state.retry_after_ms);
    } else {
        delay_ms = retry_delay_ms(policy, decision.attempts_counted, random, state.retry_after_ms);
    }
    if (!delay_ms) return decision;
    decision.status = DeliveryStatus::kRetrying;
    decision.retry_at_us = now_us + *delay_ms * 1000;
    return decision;
}

}  // namespace millrace::runtime
