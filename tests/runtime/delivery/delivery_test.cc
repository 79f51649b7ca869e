// Goal: what an attempt's outcome means under a retry policy. Method: every outcome against a
// policy without jitter, so that the times are exact.
#include "runtime/delivery/delivery.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

using store::DeliveryStatus;

constexpr std::int64_t kNowUs = 1'700'000'000'000'000;

RetryPolicy policy_of(std::uint32_t retries) {
    RetryPolicy policy;
    policy.retries_max = retries;
    policy.initial_delay_ms = 1000;
    policy.backoff_factor = 2;
    policy.max_delay_ms = 3000;
    policy.jitter = Jitter::kNone;
    return policy;
}

DeliveryDecision decide(std::uint32_t counted, AttemptOutcome outcome, std::uint32_t retries,
                        std::int64_t retry_after_ms = 0) {
    core::Random random(1);
    return decide_delivery({counted, counted, retry_after_ms}, outcome, policy_of(retries), kNowUs,
                           random);
}

TEST(Delivery, CompletesWhenTheHandlerReturns) {
    EXPECT_EQ(decide(2, AttemptOutcome::kOk, 3).status, DeliveryStatus::kCompleted);
}

TEST(Delivery, BacksOffExponentiallyUpToTheCap) {
    EXPECT_EQ(decide(0, AttemptOutcome::kFailed, 3).retry_at_us, kNowUs + 1'000'000);
    EXPECT_EQ(decide(1, AttemptOutcome::kFailed, 3).retry_at_us, kNowUs + 2'000'000);
    EXPECT_EQ(decide(2, AttemptOutcome::kFailed, 3).retry_at_us, kNowUs + 3'000'000);
}

TEST(Delivery, DiesAfterTheLastRetryAndNotBefore) {
    EXPECT_EQ(decide(2, AttemptOutcome::kFailed, 3).status, DeliveryStatus::kRetrying);
    EXPECT_EQ(decide(3, AttemptOutcome::kFailed, 3).status, DeliveryStatus::kDead);
    EXPECT_EQ(decide(0, AttemptOutcome::kFailed, 0).status, DeliveryStatus::kDead);
}

TEST(Delivery, DiesAtOnceWhenFatal) {
    const DeliveryDecision decision = decide(0, AttemptOutcome::kFatal, 3);
    EXPECT_EQ(decision.status, DeliveryStatus::kDead);
    EXPECT_EQ(decision.attempts_counted, 1u);
}

TEST(Delivery, SilentFailureCostsNoRetry) {
    const DeliveryDecision decision = decide(3, AttemptOutcome::kSilent, 3);
    EXPECT_EQ(decision.status, DeliveryStatus::kRetrying);
    EXPECT_EQ(decision.attempts_counted, 3u);
    EXPECT_GT(decision.retry_at_us, kNowUs);
}

TEST(Delivery, ManySilentFailuresAreCalm) {
    core::Random random(1);
    RetryPolicy policy = policy_of(3);
    policy.initial_delay_ms = 0;
    std::int64_t now_us = kNowUs;
    int attempts = 0;
    for (std::uint32_t made = 0; now_us < kNowUs + 6'000'000; ++made, ++attempts) {
        const DeliveryDecision decision =
            decide_delivery({made, 0, 0}, AttemptOutcome::kSilent, policy, now_us, random);
        EXPECT_EQ(decision.status, DeliveryStatus::kRetrying);
        EXPECT_EQ(decision.attempts_counted, 0u);
        now_us = decision.retry_at_us;
    }
    EXPECT_LT(attempts, 10) << "in six seconds";
}

TEST(Delivery, ObeysRetryAfter) {
    EXPECT_EQ(decide(0, AttemptOutcome::kFailed, 3, 2500).retry_at_us, kNowUs + 2'500'000);
    EXPECT_EQ(decide(0, AttemptOutcome::kFailed, 3, 60'000).retry_at_us, kNowUs + 60'000'000);
}

}  // namespace
}  // namespace millrace::runtime
