// Goal: a call waits for a burning run of another tenant only where every lane has one; a tenant's
// calls stay together and have half of the lanes at most; who is refused is told when to come.
// Method: lanes played by hand, in time moved by hand.
#include "runtime/delivery/call_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kMsUs = 1'000;

struct CallQueueTest : testing::Test {
    std::unique_ptr<LaneJob> call(std::uint32_t tenant) {
        auto job = std::make_unique<LaneJob>();
        job->kind = JobKind::kScriptRun;
        job->items.push_back({});
        job->run = std::make_unique<ScriptRunJob>();
        job->run->caller.tenant = core::TenantId(tenant);
        job->run->done = [this, tenant](ScriptRunResult&&) { ++done[tenant]; };
        return job;
    }
    core::Status submit(std::uint32_t tenant, std::int64_t most = 0) {
        auto job = call(tenant);
        return queue.submit(job, most);
    }
    // The tenant whose call the lane begins; 0: none.
    std::uint32_t begin(std::size_t lane) {
        queue.begin_turn(lane);
        auto job = queue.take(lane);
        if (!job) {
            queue.end_turn(lane);
            return 0;
        }
        running[lane] = std::move(job);
        return running[lane]->run->caller.tenant.value;
    }
    void end(std::size_t lane) {
        queue.end_turn(lane);
        running[lane]->run->done({});
        running.erase(lane);
    }

    core::ManualClock clock;
    CallQueue queue{4, clock};
    std::map<std::uint32_t, int> done;
    std::map<std::size_t, std::unique_ptr<LaneJob>> running;
};

TEST_F(CallQueueTest, OthersDoNotWaitForOneThatBurns) {
    ASSERT_TRUE(submit(1));
    EXPECT_EQ(begin(0), 1u);
    ASSERT_TRUE(submit(1));
    ASSERT_TRUE(submit(2));
    EXPECT_EQ(begin(1), 2u) << "passing over the one whose own run goes on elsewhere";
    end(1);
    clock.advance_us(10'000 * kMsUs);
    EXPECT_EQ(begin(1), 0u) << "it has a lane already, and holds it up itself";
    end(0);
    EXPECT_EQ(begin(3), 1u);
    end(3);
    EXPECT_EQ(done, (std::map<std::uint32_t, int>{{1, 2}, {2, 1}}));
    EXPECT_EQ(queue.runs_of(core::TenantId(1)), 0u);
}

TEST_F(CallQueueTest, CallsLeaveALaneThatAnotherTenantHoldsUp) {
    ASSERT_TRUE(submit(1));
    ASSERT_EQ(begin(0), 1u);
    auto sleeps = std::move(running[0]);  // it waits for something, and the lane goes on
    queue.end_turn(0);
    ASSERT_TRUE(submit(2));
    ASSERT_EQ(begin(0), 2u);
    ASSERT_TRUE(submit(1));
    EXPECT_EQ(begin(1), 0u) << "its lane may be free in a moment";
    clock.advance_us(60 * kMsUs);
    EXPECT_EQ(begin(1), 1u);
    end(1);
    end(0);
    sleeps->run->done({});
    EXPECT_EQ(done, (std::map<std::uint32_t, int>{{1, 2}, {2, 1}}));
}

TEST_F(CallQueueTest, ATenantHasHalfOfTheLanesAtMost) {
    // Each of its runs waits, is woken, and burns then.
    std::vector<std::unique_ptr<LaneJob>> burning;
    for (std::size_t lane = 0; lane < 2; ++lane) {
        ASSERT_TRUE(submit(1));
        ASSERT_EQ(begin(lane), 1u);
        burning.push_back(std::move(running[lane]));
        queue.end_turn(lane);
        queue.take(lane);
        queue.begin_turn(lane);
        clock.advance_us(60 * kMsUs);
    }
    ASSERT_TRUE(submit(1));
    EXPECT_EQ(begin(2), 0u);
    ASSERT_TRUE(submit(2));
    EXPECT_EQ(begin(2), 2u);
    end(2);
    for (auto& job : burning) job->run->done({});
}

// It has written nothing; its tenant stays there till the lane has a turn in which nothing comes.
TEST_F(CallQueueTest, OneThatWasToldAheadKeepsItsLaneForAMomentAndCountsNoMore) {
    const auto told_ahead = [this](std::size_t lane) {
        ScriptRunResult ahead;
        ahead.record = "its record";
        running[lane]->run->done(std::move(ahead));
        running.erase(lane);
    };
    ASSERT_TRUE(submit(1, 1));
    ASSERT_EQ(begin(0), 1u);
    told_ahead(0);
    EXPECT_EQ(queue.runs_of(core::TenantId(1)), 0u);
    ASSERT_TRUE(submit(1, 1)) << "the quota is of those that wait for an answer";
    EXPECT_EQ(begin(1), 0u);
    queue.end_turn(0);
    EXPECT_EQ(begin(1), 0u) << "one waits, and the lane has just taken one";
    ASSERT_EQ(begin(0), 1u);
    told_ahead(0);
    queue.end_turn(0);
    EXPECT_EQ(done[1], 2);
    ASSERT_TRUE(submit(1, 1));
    EXPECT_EQ(begin(1), 1u) << "nothing waited at the end: now any lane will do";
    ASSERT_TRUE(submit(1));
    EXPECT_EQ(begin(0), 0u) << "and this one is it";
    end(1);
    EXPECT_EQ(begin(0), 1u);
    end(0);
}

// One that writes, beside one that is told ahead: that one's end leaves the lane, and no other.
TEST_F(CallQueueTest, OneThatWritesKeepsTheLaneWhateverIsToldAhead) {
    ASSERT_TRUE(submit(1));
    ASSERT_TRUE(submit(1));
    ASSERT_EQ(begin(0), 1u);
    auto writes = std::move(running[0]);
    ASSERT_EQ(begin(0), 1u);
    ScriptRunResult ahead;
    ahead.record = "its record";
    running[0]->run->done(std::move(ahead));
    queue.end_turn(0);
    ASSERT_TRUE(submit(1));
    EXPECT_EQ(begin(1), 0u) << "what the first has written is seen on its lane alone";
    writes->run->done({});
    EXPECT_EQ(begin(1), 1u);
    end(1);
}

TEST_F(CallQueueTest, AnotherLaneIsWokenNowAndThenAndLooksByItself) {
    clock.advance_us(kMsUs);
    std::map<std::size_t, int> woken;
    queue.on_wake([&woken](std::size_t lane) { ++woken[lane]; });
    ASSERT_TRUE(submit(1));
    ASSERT_EQ(begin(0), 1u);
    auto burns = std::move(running[0]);
    woken.clear();
    EXPECT_FALSE(queue.wants_looks(clock.monotonic_ns()));
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(submit(1));
    EXPECT_EQ(woken[0], 100);
    EXPECT_EQ(woken[1], 1) << "not for each of them";
    EXPECT_TRUE(queue.wants_looks(clock.monotonic_ns()));
    clock.advance_us(CallQueue::kLookUs);
    ASSERT_TRUE(submit(1));
    EXPECT_EQ(woken[1], 2);
    EXPECT_EQ(woken.size(), 2u);
    queue.end_turn(0);
    while (auto job = queue.take(0)) job->run->done({});
    burns->run->done({});
    EXPECT_TRUE(queue.wants_looks(clock.monotonic_ns())) << "the next one may burn as well";
    clock.advance_us(2 * CallQueue::kLookUs);
    EXPECT_FALSE(queue.wants_looks(clock.monotonic_ns()));
}

// Both were told the lane that is idle; it begins one, which may burn.
TEST_F(CallQueueTest, WhoBeginsACallWakesAnotherForTheNextTenants) {
    std::map<std::size_t, int> woken;
    queue.on_wake([&woken](std::size_t lane) { ++woken[lane]; });
    ASSERT_TRUE(submit(1));
    ASSERT_TRUE(submit(1));
    ASSERT_TRUE(submit(2));
    EXPECT_EQ(woken.size(), 1u);
    woken.clear();
    ASSERT_EQ(begin(0), 1u);
    EXPECT_EQ(woken, (std::map<std::size_t, int>{{1, 1}}));
    woken.clear();
    ASSERT_EQ(begin(1), 2u);
    EXPECT_TRUE(woken.empty()) << "what waits goes to the lane of the one before it";
    end(1);
    end(0);
    EXPECT_EQ(begin(2), 1u);
    end(2);
}

TEST_F(CallQueueTest, TenantsTakeTurnsHoweverManyCallsEachHas) {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(submit(1));
    ASSERT_TRUE(submit(2));
    ASSERT_TRUE(submit(3));
    std::string order;
    for (int i = 0; i < 4; ++i) {
        order += std::to_string(begin(0));
        end(0);
    }
    EXPECT_EQ(order, "1231");
}

TEST_F(CallQueueTest, WhoIsRefusedIsToldWhenToComeAgain) {
    for (std::size_t i = 0; i < CallQueue::kWaitingMax; ++i) ASSERT_TRUE(submit(1));
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(begin(0), 1u);
        clock.advance_us(100 * kMsUs);
        end(0);
    }
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(submit(1));
    auto refused = submit(1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::ErrorCode::kRateLimited);
    EXPECT_EQ(refused.error().retry_after_seconds, 26) << "257 of 100 ms each";
    EXPECT_TRUE(submit(2)) << "another tenant has room of its own";
    refused = submit(2, 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "runningExecutions");
    EXPECT_EQ(queue.runs_of(core::TenantId(2)), 1u);
}

}  // namespace
}  // namespace millrace::runtime
