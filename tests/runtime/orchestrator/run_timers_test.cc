// Goal: runs that wait go on in the order of their times, each once. Method: times made up.
#include "runtime/orchestrator/run_timers.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

RunName timed_run(const std::string& id, std::uint32_t tenant = 1) {
    return {core::TenantId(tenant), id};
}

TEST(RunTimers, BringsRunsInTheOrderOfTheirTimesAndEachOnce) {
    RunTimers timers;
    EXPECT_FALSE(timers.next_us());
    timers.set(timed_run("a"), 30);
    timers.set(timed_run("b"), 10);
    timers.set(timed_run("c"), 10);
    timers.set(timed_run("a"), 20);  // another time, not a second one
    EXPECT_EQ(timers.size(), 3u);
    EXPECT_EQ(timers.next_us(), 10);
    EXPECT_FALSE(timers.pop(9));
    std::string order;
    while (const auto next = timers.pop(100)) order += next->id;
    EXPECT_EQ(order, "bca");
    EXPECT_EQ(timers.size(), 0u);
}

TEST(RunTimers, ForgetsWhatIsDroppedAndKnowsTenantsApart) {
    RunTimers timers;
    timers.set(timed_run("a", 1), 10);
    timers.set(timed_run("a", 2), 10);
    timers.drop(timed_run("a", 1));
    timers.drop(timed_run("b"));  // it has none
    EXPECT_FALSE(timers.has(timed_run("a", 1)));
    EXPECT_TRUE(timers.has(timed_run("a", 2)));
    EXPECT_EQ(timers.pop(10), timed_run("a", 2));
    EXPECT_FALSE(timers.pop(10));
}

}  // namespace
}  // namespace millrace::runtime
