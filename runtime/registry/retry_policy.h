// What: when a failed delivery is tried again: exponential backoff with jitter, as a pure function.
// Threads: values. Lifetime: none.
// Limits: bounds of every member are in kRetryPolicyBounds; the registry checks them.
// Failure: none; without jitter and Retry-After a delay never exceeds max_delay_ms.
#pragma once

#include "core/random.h"

#include <cstdint>
#include <optional>

namespace millrace::runtime {

enum class Jitter : std::uint8_t { kNone, kSpread };

enum class RetrySchedule : std::uint8_t {
    kBackoff,           // initial delay, factor, longest delay
    kStandardWebhooks,  // 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h
};
inline constexpr std::uint32_t kStandardWebhooksRetries = 9;

struct RetryPolicy {
    std::uint32_t retries_max = 3;
    std::int64_t initial_delay_ms = 60'000;
    std::int64_t max_delay_ms = 3'600'000;
    double backoff_factor = 2.0;
    Jitter jitter = Jitter::kSpread;
    RetrySchedule schedule = RetrySchedule::kBackoff;

    bool operator==(const RetryPolicy&) const = default;
};

// 100 retries of at most 30 days each: more than any delivery is worth, and no sum overflows.
inline constexpr std::uint32_t kRetriesMaxMax = 100;
inline constexpr std::int64_t kRetryDelayMsMax = 30LL * 86'400'000;
inline constexpr double kBackoffFactorMax = 100.0;

// The delay before retry number `retry` (1 = the first one), without jitter.
std::int64_t retry_delay_base_ms(const RetryPolicy& policy, std::uint32_t retry);

// A peer may ask for so much more than the policy's own delay, and no more.
inline constexpr std::int64_t kRetryAfterMsMax = 2LL * 3'600'000;

// The delay before retry number `retry`, or nothing when the policy is exhausted. With jitter it is
// spread evenly over [base, base * 1.2]: that breaks up herds, and nothing comes earlier than was
// asked for. A peer's Retry-After, when there is one, is obeyed as a lower bound, up to
// kRetryAfterMsMax behind the own delay.
std::optional<std::int64_t> retry_delay_ms(const RetryPolicy& policy, std::uint32_t retry,
                                           core::Random& random, std::int64_t retry_after_ms = 0);

inline constexpr std::int64_t kSilentMsLongest = 60'000;
// The same for what is not counted: attempt number `silent` of those in a row. It doubles from
// 100 ms (or the policy's first delay, where that is longer) to a minute (or the policy's longest):
// whoever asks to be tried again for ever is tried again calmly.
std::int64_t silent_delay_ms(const RetryPolicy& policy, std::uint32_t silent, core::Random& random,
                             std::int64_t retry_after_ms = 0);

}  // namespace millrace::runtime
