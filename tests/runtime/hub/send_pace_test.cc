// Goal: a line that carries gets more, one that does not less, and failures wait longer each time,
// drawn at random. Method: calls in a row, many draws.
#include "runtime/hub/send_pace.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::runtime::hub {
namespace {

TEST(SendPace, DoublesWhereItIsFullAndHalvesWhenItTakesTooLong) {
    SendPace pace;
    EXPECT_EQ(pace.bytes(), 64u << 10);
    pace.took(false);
    EXPECT_EQ(pace.bytes(), 64u << 10);
    for (int i = 0; i < 10; ++i) pace.took(true);
    EXPECT_EQ(pace.bytes(), 1u << 20);
    pace.set_window(100'000);
    EXPECT_EQ(pace.bytes(), 100'000u);
    for (int i = 0; i < 10; ++i) pace.timed_out();
    EXPECT_EQ(pace.bytes(), 4u << 10);
    pace.set_window(0);
    EXPECT_EQ(pace.bytes(), 4u << 10);
}

TEST(SendPace, WaitsAreDrawnFromMoreEachTimeUpToFiveMinutes) {
    core::Random random(1);
    std::set<std::int64_t> drawn;
    std::int64_t longest = 0;
    for (int i = 0; i < 200; ++i) {
        SendPace pace;
        const std::int64_t first = pace.wait_ms(random);
        EXPECT_GE(first, 20);
        EXPECT_LE(first, 500);
        drawn.insert(first);
        for (int tries = 0; tries < 12; ++tries) longest = std::max(longest, pace.wait_ms(random));
        EXPECT_EQ(pace.wait_ms(random, 400'000), 400'000);
        pace.took(false);
        EXPECT_LE(pace.wait_ms(random), 500);
    }
    EXPECT_GT(drawn.size(), 100u);
    EXPECT_LE(longest, 300'000);
    EXPECT_GT(longest, 200'000);
}

}  // namespace
}  // namespace millrace::runtime::hub
