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

TEST_F(LimitsTest, WhatNeverFitsIsToldSo) {
    key().events.set_rate(2);
    const auto refused = take(5, 0);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("holds 5, which never fit"), std::string::npos)
        << refused.error().message;
    EXPECT_TRUE(take(2, 0));
    const auto later = take(2, 0);
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().message.find("never"), std::string::npos) << later.error().message;
}

TEST_F(LimitsTest, WhatDoesNotFitWholeIsNotTakenInPart) {
    key().events.set_rate(10);
    tenant().bytes.set_rate(100);
    EXPECT_FALSE(take(5, 101)) << "the tenant's bytes";
    EXPECT_TRUE(take(10, 100)) << "the key's events were given back";
}

// The local mode once passed every quota by.
TEST_F(LimitsTest, WhoeverComesWhileNoKeyExistsHasTheTenantsQuotas) {
    TenantHolder everybodys;
    Principal local;
    EXPECT_TRUE(take_quota(local, 1'000'000, 1'000'000, now));
    local.local_tenant = &everybodys;
    EXPECT_TRUE(take_quota(local, 1'000'000, 1'000'000, now));
    everybodys.meter.events.set_rate(10);
    EXPECT_TRUE(take_quota(local, 10, 0, now));
    const auto refused = take_quota(local, 1, 0, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "eventsPerSecond");
    EXPECT_NE(refused.error().message.find("the tenant may send 10"), std::string::npos);
}

TEST_F(LimitsTest, WhatIsToBeStoredFindsRoomInWhatTheTenantMayHave) {
    std::atomic<std::int64_t> stored{90};
    principal.key->tenant->stored = &stored;
    EXPECT_TRUE(take(1, 1'000'000)) << "no limit";
    principal.key->tenant->stored_most = 100;
    EXPECT_TRUE(take(1, 10));
    const auto refused = take(1, 11);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::ErrorCode::kRateLimited);
    EXPECT_EQ(refused.error().field, "storedBytes");
    EXPECT_EQ(refused.error().limit, 100);
    EXPECT_GE(refused.error().retry_after_seconds, 1);
    stored = 50;  // retention has taken some
    EXPECT_TRUE(take(1, 11));
}

TEST_F(LimitsTest, WhatFindsNoRoomSpendsNothing) {
    std::atomic<std::int64_t> stored{100};
    principal.key->tenant->stored = &stored;
    principal.key->tenant->stored_most = 100;
    key().events.set_rate(1);
    EXPECT_FALSE(take(1, 1));
    stored = 0;
    EXPECT_TRUE(take(1, 1));
}

TEST_F(LimitsTest, CountedThingsEndAtTheirNumber) {
    EXPECT_TRUE(within_quota(Quota::kScripts, 5, 0));
    EXPECT_TRUE(within_quota(Quota::kScripts, 4, 5));
    const auto refused = within_quota(Quota::kScripts, 5, 5);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "scripts");
}

TEST_F(LimitsTest, ConnectionsCountForKeyAndTenantAsLongAsTheyAreHeld) {
    principal.key->holder->connections.most = 2;
    principal.key->tenant->connections.most = 3;
    auto first = HeldConnection::take(principal);
    auto second = HeldConnection::take(principal);
    ASSERT_TRUE(first && second);
    const auto third = HeldConnection::take(principal);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().field, "connections");
    EXPECT_EQ(third.error().limit, 2);
    EXPECT_NE(third.error().message.find("the key has"), std::string::npos);
    EXPECT_EQ(principal.key->holder->connections.held, 2) << "what was refused is not held";
    *first = HeldConnection();
    EXPECT_TRUE(HeldConnection::take(principal));
    EXPECT_EQ(principal.key->holder->connections.held, 1);
    principal.key->holder->connections.most = 0;
    principal.key->tenant->connections.most = 1;
    EXPECT_NE(HeldConnection::take(principal).error().message.find("the tenant has"),
              std::string::npos);
}

TEST_F(LimitsTest, AConnectionOfNobodyIsNotCounted) {
    const auto held = HeldConnection::take(Principal{});
    ASSERT_TRUE(held);
    EXPECT_TRUE(held->is_of(Principal{}));
    EXPECT_FALSE(held->is_of(principal));
}

}  // namespace
}  // namespace millrace::runtime::identity
