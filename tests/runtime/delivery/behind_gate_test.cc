// A lane's gate before deliveries of subscriptions that are behind.
#include "runtime/delivery/behind_gate.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr core::SubscriptionId kOne{7};
constexpr core::SubscriptionId kOther{8};
constexpr core::ShardId kShard{1};
using Way = BehindGate::Way;

core::LogPosition at(std::uint64_t offset) { return {kShard, core::LogOffset(offset)}; }

struct BehindGateTest : testing::Test {
    BehindTable table;
    BehindGate gate{&table};
};

TEST_F(BehindGateTest, EverythingIsDeliveredWhileNobodyIsBehind) {
    EXPECT_TRUE(gate.open());
    EXPECT_EQ(gate.way_of(kOne, at(5)), Way::kDeliver);
}

TEST_F(BehindGateTest, PassesOverWhatTheTableHasAndNothingElse) {
    ASSERT_TRUE(table.begin(kOne, kShard, core::LogOffset(3)));
    EXPECT_FALSE(table.begin(kOne, kShard, core::LogOffset(9))) << "it has its place";
    gate.refresh();
    EXPECT_FALSE(gate.open());
    EXPECT_EQ(gate.way_of(kOne, at(5)), Way::kPassOver);
    EXPECT_EQ(gate.way_of(kOther, at(5)), Way::kDeliver);
    EXPECT_EQ(gate.way_of(kOne, {core::ShardId{0}, core::LogOffset(5)}), Way::kDeliver);
}

TEST_F(BehindGateTest, TellsAShardOnceAndPassesOverUntilItKnows) {
    gate.fall(kOne, 2);
    EXPECT_EQ(gate.way_of(kOne, at(5)), Way::kPassOver);
    std::vector<BehindAsk> asks;
    gate.tell(kOne, kShard, asks);
    gate.tell(kOne, kShard, asks);
    ASSERT_EQ(asks.size(), 1u);
    gate.refresh();
    EXPECT_EQ(gate.way_of(kOne, at(6)), Way::kPassOver);
    table.begin(kOne, kShard, core::LogOffset(5));
    asks[0].taken->store(true);
    gate.refresh();
    EXPECT_EQ(gate.way_of(kOne, at(7)), Way::kPassOver) << "the table says so now";
    table.end(kOne, kShard);
    gate.refresh();
    EXPECT_EQ(gate.way_of(kOne, at(8)), Way::kDeliver);
}

TEST_F(BehindGateTest, WhatComesAfterItsWayBackBeganWaitsUntilItHasEnded) {
    table.begin(kOne, kShard, core::LogOffset(3));
    table.rejoin(kOne, kShard, core::LogOffset(10));
    gate.refresh();
    EXPECT_EQ(gate.way_of(kOne, at(9)), Way::kPassOver);
    ASSERT_EQ(gate.way_of(kOne, at(10)), Way::kWait);
    gate.wait(kOne, kShard, {.item = 1});
    gate.wait(kOne, kShard, {.item = 2});
    EXPECT_EQ(gate.longest(), (std::pair<core::SubscriptionId, std::size_t>(kOne, 2)));
    EXPECT_FALSE(gate.refresh());
    table.end(kOne, kShard);
    EXPECT_TRUE(gate.refresh());
    EXPECT_EQ(gate.take_ready().item, 1u);
    EXPECT_EQ(gate.take_ready().item, 2u);
    EXPECT_EQ(gate.waiting(), 0u);
}

TEST_F(BehindGateTest, WhatWaitedIsPassedOverWhenTheWayBackIsOff) {
    table.begin(kOne, kShard, core::LogOffset(3));
    table.rejoin(kOne, kShard, core::LogOffset(10));
    gate.refresh();
    gate.wait(kOne, kShard, {.item = 1});
    table.rejoin(kOne, kShard, kNotLive);
    EXPECT_TRUE(gate.refresh());
    EXPECT_EQ(gate.way_of(kOne, at(10)), Way::kPassOver);
}

TEST_F(BehindGateTest, AFallOnTheWayBackTakesItBack) {
    table.begin(kOne, kShard, core::LogOffset(3));
    table.rejoin(kOne, kShard, core::LogOffset(10));
    gate.refresh();
    gate.wait(kOne, kShard, {.item = 1});
    gate.fall(kOne, 2);
    EXPECT_TRUE(gate.has_ready());
    EXPECT_EQ(gate.way_of(kOne, at(10)), Way::kPassOver);
    EXPECT_FALSE(table.begin(kOne, kShard, core::LogOffset(12))) << "its place stands";
    BehindTable::Place place;
    ASSERT_TRUE(table.find(kOne, kShard, place));
    EXPECT_EQ(place.live_from, kNotLive);
    EXPECT_EQ(place.from, core::LogOffset(3));
}

TEST(BehindTableTest, FloorsAreTheLowestPlaces) {
    BehindTable table;
    table.begin(kOne, kShard, core::LogOffset(30));
    table.begin(kOther, kShard, core::LogOffset(20));
    table.advance(kOther, kShard, core::LogOffset(25));
    EXPECT_EQ(table.floors(3),
              (std::vector<core::LogOffset>{kNotLive, core::LogOffset(25), kNotLive}));
}

TEST(BehindTableTest, APlaceThatIsBegunAnewIsAnotherOne) {
    BehindTable table;
    BehindTable::Place first, second;
    table.begin(kOne, kShard, core::LogOffset(3));
    ASSERT_TRUE(table.find(kOne, kShard, first));
    table.end(kOne, kShard);
    table.begin(kOne, kShard, core::LogOffset(3));
    ASSERT_TRUE(table.find(kOne, kShard, second));
    EXPECT_NE(first.begun, second.begun);
}

TEST(BehindTableTest, CountsWhatWasPassedOverAndNotBroughtYet) {
    BehindTable table;
    table.begin(kOne, kShard, core::LogOffset(3));
    table.add_waiting(kOne, kShard, 5);
    table.add_waiting(kOne, kShard, -2);
    table.add_waiting(kOther, kShard, 5);
    EXPECT_EQ(table.waiting(), 3u);
    table.end(kOne, kShard);
    EXPECT_EQ(table.waiting(), 0u);
}

}  // namespace
}  // namespace millrace::runtime
