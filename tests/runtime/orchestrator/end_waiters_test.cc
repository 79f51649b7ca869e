// Goal: whoever waits for the end of a run is told once, or let go when its time is over.
// Method: callers that note what they are told, with times made up.
#include "runtime/orchestrator/end_waiters.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

RunName waiting_run(const std::string& id) { return {core::TenantId(1), id}; }

TEST(EndWaiters, TellsEverybodyWhoWaitsForARunAndNobodyElse) {
    EndWaiters waiters;
    std::vector<std::string> told;
    for (const char* const id : {"a", "b", "a"}) {
        waiters.add(waiting_run(id), 100, [&told, id](core::Result<std::string>&& view) {
            told.push_back(std::string(id) + ":" + *view);
        });
    }
    EXPECT_TRUE(waiters.wait_for(waiting_run("a")));
    waiters.tell(waiting_run("a"), "done");
    EXPECT_EQ(told, (std::vector<std::string>{"a:done", "a:done"}));
    EXPECT_FALSE(waiters.wait_for(waiting_run("a")));
    EXPECT_TRUE(waiters.wait_for(waiting_run("b")));
}

TEST(EndWaiters, LetsThoseGoWhoseTimeIsOver) {
    EndWaiters waiters;
    for (const std::int64_t until : {30, 10, 20}) {
        waiters.add(waiting_run("r" + std::to_string(until)), until,
                    [](core::Result<std::string>&&) { FAIL() << "nobody has told it"; });
    }
    EXPECT_EQ(waiters.due_ns(), 10);
    EXPECT_TRUE(waiters.take_overdue(9).empty());
    EXPECT_EQ(waiters.take_overdue(20).size(), 2u);
    EXPECT_EQ(waiters.due_ns(), 30);
    ASSERT_EQ(waiters.take_overdue(30).size(), 1u);
    EXPECT_TRUE(waiters.empty());
}

TEST(EndWaiters, IsFullAtItsBound) {
    EndWaiters waiters;
    for (std::size_t i = 0; i < EndWaiters::kMax; ++i) {
        EXPECT_FALSE(waiters.full());
        waiters.add(waiting_run("a"), 1, [](core::Result<std::string>&&) {});
    }
    EXPECT_TRUE(waiters.full());
}

}  // namespace
}  // namespace millrace::runtime
