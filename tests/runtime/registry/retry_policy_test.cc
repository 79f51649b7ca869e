// Goal: delays follow the documented curve, stay within their bounds and end when the policy does.
#include "runtime/registry/retry_policy.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

TEST(RetryPolicy, DefaultIsOneMinuteDoublingThreeTimes) {
    const RetryPolicy policy;
    EXPECT_EQ(retry_delay_base_ms(policy, 1), 60'000);
    EXPECT_EQ(retry_delay_base_ms(policy, 2), 120'000);
    EXPECT_EQ(retry_delay_base_ms(policy, 3), 240'000);
    EXPECT_EQ(retry_delay_base_ms(policy, 7), 3'600'000);
    EXPECT_EQ(retry_delay_base_ms(policy, 4'000'000'000u), 3'600'000);
}

TEST(RetryPolicy, EndsAfterTheLastRetry) {
    const RetryPolicy policy{.retries_max = 2};
    core::Random random(1);
    EXPECT_TRUE(retry_delay_ms(policy, 1, random));
    EXPECT_TRUE(retry_delay_ms(policy, 2, random));
    EXPECT_FALSE(retry_delay_ms(policy, 3, random));
    EXPECT_FALSE(retry_delay_ms(RetryPolicy{.retries_max = 0}, 1, random));
}

// Never earlier than asked for, whatever the policy says.
TEST(RetryPolicy, JitterAddsUpToAFifthAndTakesNothingAway) {
    core::Random random(7);
    std::int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 2000; ++i) {
        const std::int64_t delay_ms = *retry_delay_ms(RetryPolicy{}, 2, random);
        least = std::min(least, delay_ms);
        most = std::max(most, delay_ms);
    }
    EXPECT_GE(least, 120'000);
    EXPECT_LT(least, 121'000);
    EXPECT_LE(most, 144'000);
    EXPECT_GT(most, 142'000);
    for (int i = 0; i < 5000; ++i) {
        RetryPolicy policy;
        policy.retries_max = 100;
        policy.initial_delay_ms = static_cast<std::int64_t>(random.below(100'000));
        policy.max_delay_ms = static_cast<std::int64_t>(random.below(1'000'000));
        policy.backoff_factor = 1 + static_cast<double>(random.below(40)) / 10;
        const auto retry = 1 + static_cast<std::uint32_t>(random.below(100));
        const std::int64_t base_ms = retry_delay_base_ms(policy, retry);
        const std::int64_t delay_ms = *retry_delay_ms(policy, retry, random);
        EXPECT_GE(delay_ms, base_ms);
        EXPECT_LE(delay_ms, base_ms + base_ms / 5);
    }
}

TEST(RetryPolicy, WhatIsNotCountedBacksOffAllTheSame) {
    core::Random random(7);
    const RetryPolicy at_once{.initial_delay_ms = 0, .max_delay_ms = 0, .jitter = Jitter::kNone};
    std::int64_t total_ms = 0;
    std::int64_t last_ms = 0;
    for (std::uint32_t silent = 1; silent <= 30; ++silent) {
        const std::int64_t delay_ms = silent_delay_ms(at_once, silent, random);
        EXPECT_GE(delay_ms, last_ms);
        EXPECT_LE(delay_ms, 60'000);
        last_ms = delay_ms;
        total_ms += delay_ms;
    }
    EXPECT_EQ(last_ms, 60'000);
    EXPECT_GT(total_ms, 600'000);
    EXPECT_EQ(silent_delay_ms({.jitter = Jitter::kNone}, 1, random), 60'000);
    EXPECT_EQ(silent_delay_ms({.jitter = Jitter::kNone}, 4'000'000'000u, random), 3'600'000);
}

TEST(RetryPolicy, WithoutJitterIsExact) {
    const RetryPolicy policy{.retries_max = 5,
                             .initial_delay_ms = 100,
                             .max_delay_ms = 350,
                             .backoff_factor = 1.5,
                             .jitter = Jitter::kNone};
    core::Random random(7);
    EXPECT_EQ(retry_delay_ms(policy, 1, random), 100);
    EXPECT_EQ(retry_delay_ms(policy, 2, random), 150);
    EXPECT_EQ(retry_delay_ms(policy, 3, random), 225);
    EXPECT_EQ(retry_delay_ms(policy, 4, random), 337);
    EXPECT_EQ(retry_delay_ms(policy, 5, random), 350);
}

TEST(RetryPolicy, ObeysRetryAfterUpToTwoHoursMore) {
    const RetryPolicy policy{.jitter = Jitter::kNone};
    core::Random random(7);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, 90'000), 90'000);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, 10'000), 60'000);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, 99'000'000), 60'000 + 7'200'000);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, INT64_MAX / 1000), 60'000 + 7'200'000);
}

}  // namespace
}  // namespace millrace::runtime
