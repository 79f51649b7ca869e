#include "runtime/registry/retry_policy.h"

#include <algorithm>

namespace millrace::runtime {

namespace {

constexpr std::int64_t kSecondMs = 1000;
constexpr std::int64_t kHourMs = 3'600 * kSecondMs;
// The recommended schedule of Standard Webhooks.
constexpr std::int64_t kStandardWebhooksMs[kStandardWebhooksRetries] = {
    5 * kSecondMs, 300 * kSecondMs, 1800 * kSecondMs, 2 * kHourMs,  5 * kHourMs,
    10 * kHourMs,  14 * kHourMs,    20 * kHourMs,     24 * kHourMs,
};

}  // namespace

std::int64_t retry_delay_base_ms(const RetryPolicy& policy, std::uint32_t retry) {
    if (policy.schedule == RetrySchedule::kStandardWebhooks)
        return kStandardWebhooksMs[std::clamp(retry, 1u, kStandardWebhooksRetries) - 1];
    // Multiplied step by step, so that the cap is met before anything can overflow.
    double delay_ms = static_cast<double>(policy.initial_delay_ms);
    const auto cap_ms = static_cast<double>(policy.max_delay_ms);
    for (std::uint32_t i = 1; i < retry && delay_ms < cap_ms; ++i)
        delay_ms *= policy.backoff_factor;
    return static_cast<std::int64_t>(std::min(delay_ms, cap_ms));
}

namespace {

constexpr std::int64_t kSilentMsMin = 100;

std::int64_t spread(std::int64_t delay_ms, const RetryPolicy& policy, core::Random& random,
                    std::int64_t retry_after_ms) {
    std::int64_t own_ms = delay_ms;
    if (policy.jitter == Jitter::kSpread) {
        own_ms +=
            static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(delay_ms / 5 + 1)));
    }
    return std::max(own_ms, std::min(retry_after_ms, own_ms + kRetryAfterMsMax));
}

}  // namespace

std::optional<std::int64_t> retry_delay_ms(const RetryPolicy& policy, std::uint32_t retry,
                                           core::Random& random, std::int64_t retry_after_ms) {
    if (retry == 0 || retry > policy.retries_max) return std::nullopt;
    return spread(retry_delay_base_ms(policy, retry), policy, random, retry_after_ms);
}

std::int64_t silent_delay_ms(const RetryPolicy& policy, std::uint32_t silent, core::Random& random,
                             std::int64_t retry_after_ms) {
    const bool standard = policy.schedule == RetrySchedule::kStandardWebhooks;
    const std::int64_t first_ms = standard ? kStandardWebhooksMs[0] : policy.initial_delay_ms;
    std::int64_t delay_ms = std::max(first_ms, kSilentMsMin);
    const std::int64_t longest_ms = std::max(policy.max_delay_ms, kSilentMsLongest);
    for (std::uint32_t i = 1; i < silent && delay_ms < longest_ms; ++i) delay_ms *= 2;
    return spread(std::min(delay_ms, longest_ms), policy, random, retry_after_ms);
}

}  // namespace millrace::runtime
