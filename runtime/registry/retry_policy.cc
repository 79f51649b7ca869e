#include "runtime/registry/retry_policy.h"

#include <algorithm>

namespace millrace::runtime {

std::int64_t retry_delay_base_ms(const RetryPolicy& policy, std::uint32_t retry) {
    // Multiplied step by step, so that the cap is met before anything can overflow.
    double delay_ms = static_cast<double>(policy.initial_delay_ms);
    const auto cap_ms = static_cast<double>(policy.max_delay_ms);
    for (std::uint32_t i = 1; i < retry && delay_ms < cap_ms; ++i)
        delay_ms *= policy.backoff_factor;
    return static_cast<std::int64_t>(std::min(delay_ms, cap_ms));
}

std::optional<std::int64_t> retry_delay_ms(const RetryPolicy& policy, std::uint32_t retry,
                                           core::Random& random, std::int64_t retry_after_ms) {
    if (retry == 0 || retry > policy.retries_max) return std::nullopt;
    std::int64_t delay_ms = retry_delay_base_ms(policy, retry);
    if (policy.jitter == Jitter::kSpread && delay_ms > 1) {
        const std::int64_t half_ms = delay_ms / 2;
        delay_ms = half_ms + static_cast<std::int64_t>(
                                 random.below(static_cast<std::uint64_t>(delay_ms - half_ms + 1)));
    }
    return std::min(std::max(delay_ms, retry_after_ms), policy.max_delay_ms);
}

}  // namespace millrace::runtime
