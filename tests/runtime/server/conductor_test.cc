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

}  // namespace
}  // namespace millrace::runtime
