#include "runtime/delivery.h"

#include <algorithm>

namespace millrace::runtime {

DeliveryDecision decide_delivery(const DeliveryState& state, AttemptOutcome outcome, const RetryPolicy& policy,
                                 std::int64_t now_us, core::Random& random) {
    DeliveryDecision decision;
    decision.attempts_counted = state.attempts_counted;
    switch (outcome) {
        case AttemptOutcome::kOk:
            return decision;
        case AttemptOutcome::kFatal:
            ++decision.attempts_counted;
            decision.status = DeliveryStatus::kDead;
            return decision;
        case AttemptOutcome::kFailed:
            ++decision.attempts_counted;
            if (decision.attempts_counted > policy.max_retries) {
                decision.status = DeliveryStatus::kDead;
                return decision;
            }
            break;
        case AttemptOutcome::kSilent:
            break;
    }
    decision.status = DeliveryStatus::kRetrying;
    // A silent failure before any counted one waits like a first retry.
    const std::uint32_t retry = std::max<std::uint32_t>(1, decision.attempts_counted);
    const std::int64_t own_delay_us = retry_delay_us(policy, retry, random);
    // What the receiver asked for is obeyed, up to the policy's own ceiling.
    const std::int64_t asked_us = std::min(state.retry_after_us, policy.max_delay_ms * 1000);
    decision.retry_at_us = now_us + std::max(own_delay_us, asked_us);
    return decision;
}

}  // namespace millrace::runtime
