// Goal: a full conductor refuses newcomers and never what somebody who was let in waits for.
// Method: no thread; the test runs the tasks.
#include "runtime/server/conductor.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

// Once such an answer was dropped by a full conductor, its event stream stood still for good.
TEST(Conductor, TakesAnswersWhenItIsFull) {
    Conductor conductor;
    std::size_t ran = 0;
    bool answered = false;
    while (conductor.post([&] { ++ran; })) {
    }
    conductor.post_answer([&] { answered = true; });
    EXPECT_FALSE(conductor.post([] {})) << "an answer makes no room for newcomers";
    while (conductor.do_work() != 0) {
    }
    EXPECT_EQ(ran, Conductor::kTasksMax);
    EXPECT_TRUE(answered);
    EXPECT_TRUE(conductor.post([] {}));
}

// What a full one tells newcomers follows from how fast it went, not from a constant.
TEST(Conductor, SaysWhenToComeAgainByItsPace) {
    core::ManualClock clock;
    clock.advance_us(100'000'000);
    Conductor conductor;
    conductor.set_clock(&clock);
    EXPECT_EQ(conductor.drain_seconds(), 1);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(conductor.post([&] { clock.advance_us(10'000); }));
    EXPECT_EQ(conductor.drain_seconds(), 1) << "nothing is known of its pace";
    for (int i = 0; i < 20; ++i) conductor.do_work();  // 640 of them in 6.4 s
    EXPECT_NEAR(static_cast<double>(conductor.drain_seconds()), 4, 1);
    while (conductor.do_work() != 0) {
    }
    EXPECT_EQ(conductor.drain_seconds(), 1);
}

}  // namespace
}  // namespace millrace::runtime
