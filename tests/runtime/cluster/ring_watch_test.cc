// How far an owner may run ahead: half of the ring from each copy that is in sync, and no longer
// than it is told to wait.
#include "runtime/cluster/ring_watch.h"

#include <gtest/gtest.h>

namespace millrace::runtime::cluster {
namespace {

constexpr std::int64_t kWait = 5'000;
constexpr std::uint64_t kRing = 1u << 20;
constexpr std::size_t kMessage = 10'000 - RingWatch::kMessageOverheadBytes;

class RingWatchTest : public testing::Test {
protected:
    RingWatchTest() {
        ring.stands({1, 0, 0, kRing});
        ring.begin(0);
        ring.in_sync({"b", "c"});
        ring.heard("b", 0);
        ring.heard("c", 0);
    }
    // As owner: as many as it may.
    std::uint64_t run(std::uint64_t most) {
        std::uint64_t ran = 0;
        for (; ran < most && ring.may_append(kMessage, now); ++ran) ring.passed(++last, kMessage);
        return ran;
    }
    RingWatch ring{kWait};
    std::uint64_t last = 0;
    std::int64_t now = 1;
};

TEST_F(RingWatchTest, StaysWithinHalfOfTheRing) {
    const std::uint64_t ran = run(1'000);
    EXPECT_LE(ran * 10'000, kRing / 2);
    EXPECT_GE(ran * 10'000, kRing / 2 - kRing / 16);
    EXPECT_TRUE(ring.waits_for().empty());
    // The slower of the two counts.
    ring.heard("b", last);
    EXPECT_EQ(run(1'000), 0u);
    ring.heard("c", last - 5);
    EXPECT_GT(run(1'000), 30u);
}

TEST_F(RingWatchTest, NamesWhomItHasWaitedForInVainAndGoesOnWhenMetaSaysSo) {
    run(1'000);
    ring.heard("b", last);
    now += kWait - 1;
    EXPECT_FALSE(ring.may_append(kMessage, now));
    EXPECT_TRUE(ring.waits_for().empty());
    now += 1;
    EXPECT_FALSE(ring.may_append(kMessage, now));
    EXPECT_EQ(ring.waits_for(), std::vector<std::string>{"c"});
    EXPECT_FALSE(ring.may_append(kMessage, now)) << "it is META that decides";
    EXPECT_EQ(ring.near(), std::vector<std::string>{"b"});
    ring.in_sync({"b"});
    EXPECT_TRUE(ring.may_append(kMessage, now));
    EXPECT_TRUE(ring.waits_for().empty());
}

TEST_F(RingWatchTest, WithoutOtherCopiesItGoesOn) {
    ring.in_sync({});
    EXPECT_EQ(run(1'000), 1'000u);
}

TEST_F(RingWatchTest, OneThatWasFurtherBehindBeforeIsNamedAtOnce) {
    ring.in_sync({"b"});
    ring.heard("b", 0);
    EXPECT_LT(run(1'000), 60u);
    for (int i = 0; i < 100; ++i) ring.passed(++last, kMessage);  // another one's
    ring.in_sync({"c"});
    ring.heard("c", 0);
    ring.begin(last);
    EXPECT_FALSE(ring.may_append(kMessage, now));
    EXPECT_EQ(ring.waits_for(), std::vector<std::string>{"c"});
}

TEST_F(RingWatchTest, OneThatWasNeverHeardCountsAsHalfOfTheRingBehind) {
    RingWatch fresh(kWait);
    fresh.stands({101, 1'100, kRing, kRing});
    fresh.begin(1'100);
    fresh.in_sync({"d"});
    EXPECT_FALSE(fresh.may_append(100'000, 1));
    EXPECT_TRUE(fresh.waits_for().empty()) << "it has the time that others have";
    fresh.heard("d", 1'090);
    EXPECT_TRUE(fresh.may_append(100'000, 2));
}

TEST_F(RingWatchTest, WhatWasThereBeforeIsSpreadEvenly) {
    RingWatch fresh(kWait);
    fresh.stands({101, 1'100, kRing, kRing});
    EXPECT_EQ(fresh.bytes_behind(1'100), 0u);
    EXPECT_NEAR(double(fresh.bytes_behind(850)), double(kRing / 4), double(kRing / 32));
    EXPECT_GE(fresh.bytes_behind(5), kRing * 63 / 64);
}

TEST_F(RingWatchTest, AUnitThatIsLargerThanHalfWaitsUntilAllAreThere) {
    run(3);
    EXPECT_FALSE(ring.may_append(kRing, now));
    ring.heard("b", last);
    ring.heard("c", last);
    EXPECT_TRUE(ring.may_append(kRing, now));
}

TEST_F(RingWatchTest, OneThatIsBeingFilledIsWaitedForAWhile) {
    ring.in_sync({});
    now = 1;
    ring.hold("d", last, now);
    EXPECT_LT(run(1'000), 60u);
    EXPECT_TRUE(ring.waits_for().empty());
    now += RingWatch::kHoldWordNs;
    EXPECT_TRUE(ring.may_append(kMessage, now)) << "it has said nothing for a while";
    // Again and again, but not for ever.
    const std::uint64_t at = last;
    std::int64_t waited = 0;
    for (; waited < 3 * RingWatch::kHoldNs; waited += RingWatch::kHoldWordNs / 2) {
        ring.hold("d", at - 40, now + waited);
        if (ring.may_append(kMessage * 30, now + waited)) break;
    }
    EXPECT_GT(waited, RingWatch::kHoldNs / 2);
    EXPECT_LE(waited, RingWatch::kHoldNs);
    // One that is lost anyway holds nobody.
    ring.hold("d", 0, now + 10 * RingWatch::kHoldNs);
    for (int i = 0; i < 60; ++i) ring.passed(++last, kMessage);
    EXPECT_TRUE(ring.may_append(kMessage, now + 10 * RingWatch::kHoldNs));
}

TEST_F(RingWatchTest, AStreamThatIsNoRingBoundsNothing) {
    RingWatch none(kWait);
    none.stands({1, 5, 500, 0});
    none.in_sync({"b"});
    EXPECT_TRUE(none.may_append(1u << 30, 1));
}

}  // namespace
}  // namespace millrace::runtime::cluster
