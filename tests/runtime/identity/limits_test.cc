// Goal: what may be sent a second is sent and no more, by key and by tenant, all of it or nothing.
// Method: a clock that stands where the test puts it.
#include "runtime/identity/limits.h"

#include "runtime/identity/holder.h"

#include <gtest/gtest.h>

namespace millrace::runtime::identity {
namespace {

constexpr std::int64_t kSecond = TokenBucket::kSecondNs;

class LimitsTest : public testing::Test {
protected:
    LimitsTest() {
        auto key = std::make_shared<KeyIdentity>();
        key->holder = std::make_shared<KeyHolder>();
        key->tenant = std::make_shared<TenantHolder>();
        principal.key = key;
    }
    Meter& key() { return principal.key->holder->meter; }
    Meter& tenant() { return principal.key->tenant->meter; }
    core::Status take(std::int64_t events, std::int64_t bytes) {
        return take_quota(principal, events, bytes, now);
    }
    Principal principal;
    std::int64_t now = 100 * kSecond;
};

TEST_F(LimitsTest, WithoutAQuotaEverythingFits) { EXPECT_TRUE(take(1'000'000, 1'000'000'000)); }

TEST_F(LimitsTest, ASecondsWorthFitsAtOnceAndThenSomeEachMoment) {
    key().events.set_rate(10);
    EXPECT_TRUE(take(10, 0));
    const auto refused = take(1, 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::ErrorCode::kRateLimited);
    EXPECT_EQ(refused.error().field, "eventsPerSecond");
    EXPECT_EQ(refused.error().limit, 10);
    EXPECT_GE(refused.error().retry_after_seconds, 1);
    now += kSecond / 10;
    EXPECT_TRUE(take(1, 0));
    EXPECT_FALSE(take(1, 0));
}

TEST_F(LimitsTest, WhatDoesNotFitWholeIsNotTakenInPart) {
    key().events.set_rate(10);
    tenant().bytes.set_rate(100);
    EXPECT_FALSE(take(5, 101)) << "the tenant's bytes";
    EXPECT_TRUE(take(10, 100)) << "the key's events were given back";
}

TEST_F(LimitsTest, CountedThingsEndAtTheirNumber) {
    EXPECT_TRUE(within_quota(Quota::kScripts, 5, 0));
    EXPECT_TRUE(within_quota(Quota::kScripts, 4, 5));
    const auto refused = within_quota(Quota::kScripts, 5, 5);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "scripts");
}

}  // namespace
}  // namespace millrace::runtime::identity
