// Delays go by the monotonic clock.
#include "runtime/delivery/due_clock.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

TEST(DueClockTest, GoesOnWhenTheWallClockIsMoved) {
    core::ManualClock clock;
    const DueClock due(clock);
    const std::int64_t began = due.now_us();
    EXPECT_EQ(began, clock.wall_us());
    clock.advance_us(1'000'000);
    clock.step_wall_us(-86'400'000'000);
    EXPECT_EQ(due.now_us(), began + 1'000'000);
    EXPECT_EQ(due.to_wall_us(due.now_us() + 5), clock.wall_us() + 5) << "as people are told";
}

}  // namespace
}  // namespace millrace::runtime
