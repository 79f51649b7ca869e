// Goal: moments as people write them, and nothing that could mean two things.
#include "core/moment.h"

#include <gtest/gtest.h>

#include <string_view>

namespace millrace::core {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000;

TEST(Moment, IsATimeOrHowLongAgo) {
    const struct {
        std::string_view text;
        std::int64_t us;
    } rows[] = {{"2023-11-14T22:13:21Z", 1'700'000'001'000'000},
                {"now", kNow},
                {"1h", kNow - 3'600'000'000},
                {"-1h", kNow - 3'600'000'000},
                {"-2d", kNow - 2 * 86'400'000'000LL},
                {"1h30m", kNow - 5'400'000'000},
                {"-90s", kNow - 90'000'000},
                {"250ms", kNow - 250'000}};
    for (const auto& row : rows) {
        std::int64_t us = 0;
        EXPECT_TRUE(parse_moment(row.text, kNow, us)) << row.text;
        EXPECT_EQ(us, row.us) << row.text;
    }
}

TEST(Moment, RefusesTheRestAndLeavesTheOutputAlone) {
    for (const std::string_view text : {"", "-", "--1h", "5", "-5", "2w", "1.5h", "h", "1h2", "+1h",
                                        "yesterday", "2023-11-14", "-now1", "999999999999d"}) {
        std::int64_t us = 42;
        EXPECT_FALSE(parse_moment(text, kNow, us)) << text;
        EXPECT_EQ(us, 42) << text;
    }
}

}  // namespace
}  // namespace millrace::core
