// Goal: the next commit waits for clients that come back, never for nobody. Method: a clock of
// numbers.
#include "runtime/shard/commit_gather.h"

#include <gtest/gtest.h>

namespace millrace::runtime::test {
namespace {

constexpr std::int64_t kTookUs = 400;

// A gather that has seen commits of 400 us.
CommitGather seasoned(std::size_t acknowledged, std::size_t waiting) {
    CommitGather gather(1000);
    for (int i = 0; i < 100; ++i) gather.on_commit(acknowledged, waiting, kTookUs, 0);
    return gather;
}

TEST(CommitGather, ALoneClientNeverWaits) {
    CommitGather gather = seasoned(1, 0);
    EXPECT_EQ(gather.wait_us(1, 10), 0);
}

TEST(CommitGather, TheFirstCommitDoesNotWait) {
    CommitGather gather(1000);
    EXPECT_EQ(gather.wait_us(1, 0), 0);
}

TEST(CommitGather, WaitsForTheClientsOfTheLastCommitUntilNearlyAllAreBack) {
    CommitGather gather = seasoned(32, 32);
    EXPECT_GT(gather.wait_us(32, 10), 0);
    EXPECT_GT(gather.wait_us(50, 20), 0);
    EXPECT_EQ(gather.wait_us(56, 30), 0);
}

TEST(CommitGather, EndsWhenNobodyCameForAMoment) {
    CommitGather gather = seasoned(32, 32);
    ASSERT_GT(gather.wait_us(40, 100), 0);
    EXPECT_GT(gather.wait_us(40, 150), 0);
    EXPECT_EQ(gather.wait_us(40, 301), 0);
}

TEST(CommitGather, EndsAfterTheTimeOfTwoCommitsThoughClientsTrickleIn) {
    CommitGather gather = seasoned(100, 0);
    std::size_t waiting = 1;
    std::int64_t now_us = 0;
    while (gather.wait_us(waiting, now_us) > 0 && now_us < 10'000) {
        now_us += 40;
        ++waiting;
    }
    EXPECT_LE(now_us, 2 * kTookUs + 40);
    EXPECT_GE(now_us, kTookUs);
}

TEST(CommitGather, NeverWaitsLongerThanTheLinger) {
    CommitGather gather(100);
    for (int i = 0; i < 100; ++i) gather.on_commit(32, 0, 5'000, 0);
    EXPECT_LE(gather.wait_us(1, 0), 100);
    EXPECT_EQ(gather.wait_us(2, 100), 0);
}

TEST(CommitGather, WaitsInVainAreLeftOutMoreAndMore) {
    CommitGather gather = seasoned(32, 8);
    int waited = 0;
    for (int i = 0; i < 1000; ++i) {
        if (gather.wait_us(8, 10) > 0) {
            gather.on_wait();
            ++waited;
        }
        gather.on_seal(8);
        gather.on_commit(32, 8, kTookUs, 0);
    }
    EXPECT_LE(waited, 16);
    EXPECT_GE(waited, 4);
}

}  // namespace
}  // namespace millrace::runtime::test
