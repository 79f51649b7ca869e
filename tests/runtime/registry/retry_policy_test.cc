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

TEST(RetryPolicy, JitterSpreadsOverTheUpperHalf) {
    const RetryPolicy policy;
    core::Random random(7);
    std::int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 2000; ++i) {
        const std::int64_t delay_ms = *retry_delay_ms(policy, 2, random);
        least = std::min(least, delay_ms);
        most = std::max(most, delay_ms);
    }
    EXPECT_GE(least, 60'000);
    EXPECT_LT(least, 63'000);
    EXPECT_LE(most, 120'000);
    EXPECT_GT(most, 117'000);
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

TEST(RetryPolicy, ObeysRetryAfterUpToTheCap) {
    const RetryPolicy policy{.jitter = Jitter::kNone};
    core::Random random(7);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, 90'000), 90'000);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, 10'000), 60'000);
    EXPECT_EQ(retry_delay_ms(policy, 1, random, 99'000'000), 3'600'000);
}

}  // namespace
}  // namespace millrace::runtime
