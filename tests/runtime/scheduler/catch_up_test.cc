#include "runtime/scheduler/catch_up.h"

#include "core/timestamp.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kHourUs = 3'600'000'000;

Timing hourly() {
    Timing timing;
    timing.cron = *parse_cron("0 * * * *");
    return timing;
}

// Midnight of a day, and hours behind it.
std::int64_t hour(std::int64_t n) {
    std::int64_t us = 0;
    EXPECT_TRUE(core::parse_timestamp("2026-01-01T00:00:00Z", us));
    return us + n * kHourUs;
}

TEST(CatchUp, OneMakesUpForTheLastTimeAndCountsTheOthers) {
    const Missed missed = missed_times(hourly(), {}, hour(1), hour(5) + 1);
    EXPECT_EQ(missed.run, std::vector<std::int64_t>{hour(5)});
    EXPECT_EQ(missed.skipped_first_us, hour(1));
    EXPECT_EQ(missed.skipped_last_us, hour(4));
    EXPECT_EQ(missed.skipped_count, 4);
    EXPECT_EQ(missed.rule, "catchUp:one");
    EXPECT_EQ(missed.next, hour(6));
}

TEST(CatchUp, AllMakesUpForTheNewestOfTheWindow) {
    CatchUp rule{.mode = CatchUpMode::kAll, .window_ms = 3 * 3'600'000, .runs_max = 100};
    Missed missed = missed_times(hourly(), rule, hour(1), hour(8));
    EXPECT_EQ(missed.run, (std::vector<std::int64_t>{hour(5), hour(6), hour(7), hour(8)}));
    EXPECT_EQ(missed.skipped_count, 4);
    rule.runs_max = 2;
    missed = missed_times(hourly(), rule, hour(1), hour(8));
    EXPECT_EQ(missed.run, (std::vector<std::int64_t>{hour(7), hour(8)}));
    EXPECT_EQ(missed.skipped_last_us, hour(6));
}

TEST(CatchUp, AllLooksAtNoMoreThanRuns) {
    Timing timing = hourly();
    timing.cron = *parse_cron("* * * * * *");
    const CatchUp rule{
        .mode = CatchUpMode::kAll, .window_ms = 366LL * 86'400'000, .runs_max = 1'000};
    for (int i = 0; i < 50; ++i) {
        const Missed missed = missed_times(timing, rule, hour(0), hour(24 * 365));
        ASSERT_EQ(missed.run.size(), 1'000u);
        EXPECT_EQ(missed.run.back(), hour(24 * 365));
        EXPECT_EQ(missed.run.front(), hour(24 * 365) - 999 * 1'000'000);
        EXPECT_EQ(missed.skipped_last_us, missed.run.front() - 1'000'000);
    }
}

TEST(CatchUp, NoneMakesUpForNothing) {
    const Missed missed = missed_times(hourly(), {.mode = CatchUpMode::kNone}, hour(1), hour(2));
    EXPECT_TRUE(missed.run.empty());
    EXPECT_EQ(missed.skipped_count, 2);
    EXPECT_EQ(missed.next, hour(3));
}

TEST(CatchUp, PassesOverWhatIsOlderThanItsWindow) {
    const Missed missed =
        missed_times(hourly(), {.window_ms = 1000}, hour(1), hour(2) + kHourUs / 2);
    EXPECT_TRUE(missed.run.empty());
    EXPECT_EQ(missed.skipped_count, 2);
}

TEST(CatchUp, DoesNotCountWithoutEnd) {
    Timing timing = hourly();
    timing.cron = *parse_cron("* * * * * *");
    const Missed missed = missed_times(timing, {}, hour(0), hour(24 * 365));
    EXPECT_EQ(missed.run, std::vector<std::int64_t>{hour(24 * 365)});
    EXPECT_EQ(missed.skipped_count, 0);
    EXPECT_TRUE(missed.skipped_any());
}

}  // namespace
}  // namespace millrace::runtime
