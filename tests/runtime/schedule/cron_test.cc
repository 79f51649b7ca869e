#include "runtime/schedule/cron.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

std::string refusal(std::string_view text) {
    const auto cron = parse_cron(text);
    return cron ? "taken" : cron.error().message;
}

std::int64_t position(std::string_view text) {
    const auto cron = parse_cron(text);
    return cron ? -1 : cron.error().position;
}

TEST(Cron, TakesEveryFormOfTheSpecification) {
    for (const char* text : {"* * * * *",
                             "  5 4\t* * *  ",
                             "*/15 * * * *",
                             "5-59/15 * * * *",
                             "0,15,30,45 * * * *",
                             "0 0 * JAN-dec sun",
                             "0 0 * * 7",
                             "0 0 * * 0-7",
                             "0 0 * * FRI-SUN",
                             "0 0 L * *",
                             "0 0 LW * *",
                             "0 0 15W * *",
                             "0 0 * * 5L",
                             "0 0 * * 5#L",
                             "0 0 * * FRI#L",
                             "0 0 * * MON#1,TUE#3",
                             "0 12 1 * +MON",
                             "0 12 ? * ?",
                             "0 0 30 2 *",
                             "* * * * * *",
                             "0 0 12 1 1 * 2025-2030",
                             "0 0 0 1 1 * */2",
                             "@yearly",
                             "@annually",
                             "@monthly",
                             "@weekly",
                             "@daily",
                             "@midnight",
                             "@hourly",
                             "@reboot",
                             "0/15 * * * *",
                             "*/1000 * * * *"})
        EXPECT_EQ(refusal(text), "taken") << text;
}

TEST(Cron, RefusesWithThePlaceWhereItStopsMakingSense) {
    EXPECT_EQ(position("60 0 * * *"), 0);
    EXPECT_EQ(position("0 24 * * *"), 2);
    EXPECT_EQ(position("0 0 5-3 * *"), 6);
    EXPECT_EQ(position("*/0 * * * *"), 2);
    EXPECT_EQ(position("1, * * * *"), 2);
    EXPECT_EQ(position("0 0 1-15W * *"), 5);
    EXPECT_EQ(position("0 0 * * MON#6"), 11);
    EXPECT_EQ(position("* ? * * *"), 2);
    EXPECT_EQ(position("0 0 +1 * *"), 4);
    EXPECT_EQ(position("@Daily"), 0);
    EXPECT_EQ(position("@daily 5"), 7);
    EXPECT_EQ(position("* * * *"), 7);
    EXPECT_EQ(position("0 0 1W,2W * *"), 4);
    EXPECT_EQ(position("0 0 0 1 1 * 1969"), 12);
    EXPECT_EQ(position("0 0 l * *"), 4);
    EXPECT_NE(position(std::string(kCronTextBytesMax + 1, '*')), 0);
    EXPECT_NE(refusal("0 99 * * *").find("hour from 0 to 23"), std::string::npos);
}

TEST(Cron, TellsTimesOfTheDayFromRhythms) {
    EXPECT_TRUE(parse_cron("0,30 1,2 * * *")->fixed_time);
    EXPECT_TRUE(parse_cron("0 0 */2 * MON-FRI")->fixed_time);
    EXPECT_TRUE(parse_cron("@daily")->fixed_time);
    EXPECT_FALSE(parse_cron("@hourly")->fixed_time);
    EXPECT_FALSE(parse_cron("0-5 1 * * *")->fixed_time);
    EXPECT_FALSE(parse_cron("30 */2 * * *")->fixed_time);
    EXPECT_FALSE(parse_cron("* 30 2 * * *")->fixed_time);
}

TEST(Cron, EndsItsSearchWhereNothingIsNamed) {
    EXPECT_FALSE(next_local(*parse_cron("0 0 30 2 *"), 0));
    EXPECT_FALSE(next_local(*parse_cron("0 0 31W 4 *"), 0));
    EXPECT_FALSE(next_local(*parse_cron("0 0 0 1 1 * 2020"), 1'700'000'000));
    EXPECT_FALSE(next_local(*parse_cron("@reboot"), 0));
    EXPECT_TRUE(next_local(*parse_cron("0 0 29 2 +MON"), 1'700'000'000));
}

}  // namespace
}  // namespace millrace::runtime
