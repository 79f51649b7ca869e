// Goal: durations as people write them, both ways.
#include "core/duration.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

TEST(Duration, ReadsUnitsAndSums) {
    std::int64_t us = 0;
    EXPECT_TRUE(parse_duration_us("500ms", us) && us == 500'000);
    EXPECT_TRUE(parse_duration_us("1m", us) && us == 60'000'000);
    EXPECT_TRUE(parse_duration_us("1h", us) && us == 3'600'000'000);
    EXPECT_TRUE(parse_duration_us("1h30m", us) && us == 5'400'000'000);
    EXPECT_TRUE(parse_duration_us("250us", us) && us == 250);
    EXPECT_TRUE(parse_duration_us("1500", us) && us == 1'500'000);
    EXPECT_TRUE(parse_duration_us("0", us) && us == 0);
    EXPECT_TRUE(parse_duration_us("7d", us) && us == 7 * 86'400'000'000LL);
}

TEST(Duration, RefusesOtherText) {
    std::int64_t us = 5;
    for (const char* text :
         {"", "m", "1x", "-1s", "1.5s", "1 s", "1s5", "99999999999999999999s", "36700d", "1mm"}) {
        EXPECT_FALSE(parse_duration_us(text, us)) << text;
    }
    EXPECT_EQ(us, 5);
}

TEST(Duration, WhatAPersonWritesHasItsUnit) {
    std::int64_t us = 5;
    EXPECT_FALSE(parse_told_duration_us("30", us));
    EXPECT_FALSE(parse_told_duration_us("1s30", us));
    EXPECT_FALSE(parse_told_duration_us("", us));
    EXPECT_EQ(us, 5);
    EXPECT_TRUE(parse_told_duration_us("30s", us) && us == 30'000'000);
    EXPECT_TRUE(parse_told_duration_us("0", us) && us == 0);
}

TEST(Duration, WritesTheLargestUnitThatDivides) {
    EXPECT_EQ(format_duration(0), "0ms");
    EXPECT_EQ(format_duration(90'000'000), "90s");
    EXPECT_EQ(format_duration(3'600'000'000), "1h");
    EXPECT_EQ(format_duration(1'500), "1500us");
}

}  // namespace
}  // namespace millrace::core
