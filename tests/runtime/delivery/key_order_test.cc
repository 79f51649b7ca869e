// Goal: a key's deliveries run in their order: one head waits, the others are parked, and after it
//       they are drained until one of them fails; nothing is left behind, whatever comes between.
#include "runtime/delivery/key_order.h"

#include <gtest/gtest.h>

namespace millrace::runtime::test {
namespace {

KeyedDelivery delivery(std::uint64_t offset, std::uint32_t key_hash = 7, std::uint32_t number = 1) {
    return {core::SubscriptionId{number}, key_hash, {core::ShardId{0}, core::LogOffset{offset}}};
}

TEST(KeyOrder, HoldsNothingUntilAHeadWaits) {
    KeyOrder order;
    EXPECT_TRUE(order.empty());
    EXPECT_FALSE(order.holds(delivery(1)));
    EXPECT_FALSE(order.release(delivery(1)));
}

TEST(KeyOrder, TheHeadHoldsItsKeyOnly) {
    KeyOrder order;
    order.block(delivery(10));
    EXPECT_TRUE(order.holds(delivery(11)));
    EXPECT_FALSE(order.holds(delivery(10)));        // its own retry
    EXPECT_FALSE(order.holds(delivery(11, 8)));     // another key
    EXPECT_FALSE(order.holds(delivery(11, 7, 2)));  // another subscription
    EXPECT_EQ(order.keys(), 1u);
}

TEST(KeyOrder, AHeadThatEndsWithNothingParkedFreesItsKey) {
    KeyOrder order;
    order.block(delivery(10));
    order.block(delivery(10));  // failed again
    EXPECT_FALSE(order.release(delivery(10)));
    EXPECT_TRUE(order.empty());
    EXPECT_EQ(order.keys(), 0u);
}

TEST(KeyOrder, WhatIsParkedIsDrainedAndHoldsLaterOnesMeanwhile) {
    KeyOrder order;
    order.block(delivery(10));
    order.park(delivery(11));
    order.park(delivery(12));
    const auto request = order.release(delivery(10));
    ASSERT_TRUE(request);
    EXPECT_EQ(request->key_hash, 7u);
    EXPECT_EQ(request->subscription, core::SubscriptionId{1});
    EXPECT_TRUE(order.holds(delivery(13)));
    EXPECT_TRUE(order.drains(delivery(11)));
    EXPECT_TRUE(order.drains(delivery(12)));
    EXPECT_FALSE(order.end_drain(*request, true));
    EXPECT_TRUE(order.empty());
}

TEST(KeyOrder, AnIncompleteDrainGoesOnBehindWhatItTook) {
    KeyOrder order;
    order.block(delivery(10));
    for (std::uint64_t at = 11; at < 20; ++at) order.park(delivery(at));
    const auto first = order.release(delivery(10));
    ASSERT_TRUE(first);
    EXPECT_TRUE(order.drains(delivery(11)));
    const auto second = order.end_drain(*first, false);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->from, delivery(12).position);
}

TEST(KeyOrder, WhatIsParkedDuringADrainIsDrainedToo) {
    KeyOrder order;
    order.block(delivery(10));
    order.park(delivery(11));
    const auto first = order.release(delivery(10));
    ASSERT_TRUE(first);
    order.park(delivery(12));  // the answer may be without it
    EXPECT_TRUE(order.drains(delivery(11)));
    const auto second = order.end_drain(*first, true);
    ASSERT_TRUE(second);
    EXPECT_LE(second->from, delivery(12).position);
    EXPECT_TRUE(order.drains(delivery(12)));
    EXPECT_FALSE(order.end_drain(*second, true));
    EXPECT_TRUE(order.empty());
}

TEST(KeyOrder, OneThatFailsDuringADrainIsTheNextHead) {
    KeyOrder order;
    order.block(delivery(10));
    for (std::uint64_t at = 11; at < 14; ++at) order.park(delivery(at));
    const auto first = order.release(delivery(10));
    ASSERT_TRUE(first);
    EXPECT_TRUE(order.drains(delivery(11)));
    EXPECT_TRUE(order.drains(delivery(12)));
    order.block(delivery(12));
    EXPECT_FALSE(order.drains(delivery(13)));  // it stays parked
    EXPECT_FALSE(order.end_drain(*first, true));
    EXPECT_TRUE(order.holds(delivery(13)));
    const auto second = order.release(delivery(12));
    ASSERT_TRUE(second);
    EXPECT_EQ(second->from, delivery(13).position);
}

TEST(KeyOrder, OneThatIsParkedBeforeTheDrainsPlaceIsStillTaken) {
    KeyOrder order;
    order.block(delivery(10));
    order.park(delivery(20));
    const auto first = order.release(delivery(10));
    ASSERT_TRUE(first);
    order.park(delivery(5));  // its time came: it was put off by its sender
    EXPECT_TRUE(order.drains(delivery(20)));
    const auto second = order.end_drain(*first, true);
    ASSERT_TRUE(second);
    EXPECT_LE(second->from, delivery(5).position);
}

TEST(KeyOrder, AfterARestartHeadsHoldAndParkedKeysAreDrained) {
    KeyOrder order;
    order.restore_head(delivery(10));
    EXPECT_FALSE(order.restore_parked(core::SubscriptionId{1}, 7));  // the head comes first
    const auto orphan = order.restore_parked(core::SubscriptionId{1}, 8);
    ASSERT_TRUE(orphan);
    EXPECT_EQ(orphan->from, core::LogPosition{});
    EXPECT_TRUE(order.holds(delivery(11, 8)));
    EXPECT_FALSE(order.end_drain(*orphan, true));
    EXPECT_FALSE(order.holds(delivery(11, 8)));
    EXPECT_TRUE(order.release(delivery(10)));
}

TEST(KeyOrder, OfSeveralRestoredHeadsTheFirstOneLeads) {
    KeyOrder order;  // rows of a format that had no parked ones
    order.restore_head(delivery(12));
    order.restore_head(delivery(10));
    order.restore_head(delivery(11));
    EXPECT_FALSE(order.holds(delivery(10)));
    EXPECT_TRUE(order.holds(delivery(11)));
    EXPECT_FALSE(order.release(delivery(11)));  // not the head: nothing ends
    EXPECT_TRUE(order.holds(delivery(12)));
}

}  // namespace
}  // namespace millrace::runtime::test
