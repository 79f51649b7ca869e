// Goal: what is said in Retry-After follows from how fast things have gone lately.
// Method: a clock that stands where the test puts it.
#include "core/drain_meter.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct Drained {
    DrainMeter meter;
    std::int64_t now_ns = 1000 * kSecond;

    void drain(std::int64_t per_second, std::int64_t seconds) {
        for (std::int64_t i = 0; i < seconds * 10; ++i) {
            meter.drained(per_second / 10, now_ns);
            now_ns += kSecond / 10;
        }
    }
    std::int64_t seconds_for(std::int64_t backlog) const {
        return meter.seconds_for(backlog, now_ns);
    }
};

TEST(DrainMeter, WhatWaitsTakesAsLongAsItTookLately) {
    Drained of;
    of.drain(1000, 10);
    EXPECT_NEAR(of.meter.per_second(of.now_ns), 1000, 50);
    EXPECT_EQ(of.seconds_for(1), 1);
    EXPECT_EQ(of.seconds_for(900), 1);
    EXPECT_EQ(of.seconds_for(4500), 5);
    EXPECT_EQ(of.seconds_for(29'500), 30);
}

TEST(DrainMeter, APaceThatChangesIsSeenWithinTheWindow) {
    Drained of;
    of.drain(10'000, 10);
    of.drain(100, 5);
    EXPECT_NEAR(of.meter.per_second(of.now_ns), 100, 10);
    EXPECT_EQ(of.seconds_for(950), 10);
    of.drain(10'000, 5);
    EXPECT_EQ(of.seconds_for(9'500), 1);
}

TEST(DrainMeter, ItSaysNeitherLessThanASecondNorMoreThanAMinute) {
    Drained of;
    of.drain(100, 10);
    EXPECT_EQ(of.seconds_for(0), 1);
    EXPECT_EQ(of.seconds_for(5'900), 60);
    EXPECT_EQ(of.seconds_for(1'000'000'000'000), 60);
}

TEST(DrainMeter, WhereNothingGoesAnyMoreItIsTheMost) {
    Drained of;
    of.drain(1000, 10);
    of.now_ns += 5 * kSecond;
    EXPECT_EQ(of.seconds_for(1), 60);
}

TEST(DrainMeter, AtTheBeginningNothingIsKnown) {
    Drained of;
    EXPECT_EQ(of.seconds_for(1'000'000), 1);
    of.meter.drained(1000, of.now_ns);
    of.now_ns += kSecond / 10;
    EXPECT_EQ(of.seconds_for(3'500), 1) << "a quarter of a second is the least it goes by";
    of.now_ns += kSecond;
    EXPECT_NEAR(of.meter.per_second(of.now_ns), 1000 / 1.1, 10);
}

}  // namespace
}  // namespace millrace::core
