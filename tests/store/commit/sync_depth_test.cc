// Goal: several syncs at once only where they gain. Method: a disk in numbers: how long a sync
// takes alone, how long when several are at it.
#include "store/commit/sync_depth.h"

#include <gtest/gtest.h>

namespace millrace::store::test {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::size_t kMax = 4;

class SyncDepthTest : public ::testing::Test {
protected:
    void alone(std::int64_t took_ns, std::size_t bytes = 1000) {
        now_ns_ += took_ns;
        depth_.on_alone(took_ns, bytes, now_ns_);
    }
    void alone_times(int times, std::int64_t took_ns, std::size_t bytes = 1000) {
        for (int i = 0; i < times; ++i) alone(took_ns, bytes);
    }
    // kMax syncs at once, each of which takes so long, until the depth is 1 again.
    void several(std::int64_t took_ns) {
        for (std::size_t i = 0; i < kMax; ++i) depth_.on_begin(now_ns_);
        while (depth_.depth() > 1) {
            now_ns_ += took_ns / static_cast<std::int64_t>(kMax);
            depth_.on_end(now_ns_);
            if (depth_.depth() > 1) depth_.on_begin(now_ns_);
        }
        for (std::size_t i = 1; i < kMax; ++i) {
            now_ns_ += took_ns / static_cast<std::int64_t>(kMax);
            depth_.on_end(now_ns_);
        }
    }

    SyncDepth depth_{kMax};
    std::int64_t now_ns_ = 1;
};

TEST_F(SyncDepthTest, StaysAtOneWhileSyncsAreQuick) {
    alone_times(1000, kMs / 6);
    EXPECT_EQ(depth_.depth(), 1u);
}

TEST_F(SyncDepthTest, TakesSeveralWhenSyncsAreSlow) {
    alone_times(static_cast<int>(SyncDepth::kAlone) - 1, 2 * kMs);
    EXPECT_EQ(depth_.depth(), 1u);
    alone(2 * kMs);
    EXPECT_EQ(depth_.depth(), kMax);
}

TEST_F(SyncDepthTest, AStallIsNoSlowDisk) {
    for (int i = 0; i < 100; ++i) {
        alone_times(7, kMs / 6);
        alone_times(3, 100 * kMs);
    }
    EXPECT_EQ(depth_.depth(), 1u);
}

TEST_F(SyncDepthTest, ABigGroupIsNoSlowDisk) {
    alone_times(20, 2 * kMs, 3u << 20);
    EXPECT_EQ(depth_.depth(), 1u);
    alone_times(20, 6 * kMs, 3u << 20);
    EXPECT_EQ(depth_.depth(), kMax);
}

TEST_F(SyncDepthTest, LooksAgainAfterAWhileAndGoesOnWhereItGains) {
    alone_times(8, 3 * kMs);
    // Quick because they are several: alone they are as slow as before.
    several(kMs / 4);
    EXPECT_EQ(depth_.depth(), 1u);
    alone_times(8, 3 * kMs);
    EXPECT_EQ(depth_.depth(), kMax);
}

TEST_F(SyncDepthTest, GoesBackToOneWhenTheDiskIsQuickAgain) {
    alone_times(8, 3 * kMs);
    several(3 * kMs);
    alone_times(100, kMs / 6);
    EXPECT_EQ(depth_.depth(), 1u);
}

TEST_F(SyncDepthTest, BetweenQuickAndSlowItStaysAsItWas) {
    alone_times(100, kMs / 2);
    EXPECT_EQ(depth_.depth(), 1u);
    alone_times(8, 3 * kMs);
    several(3 * kMs);
    alone_times(8, kMs / 2);
    EXPECT_EQ(depth_.depth(), kMax);
}

TEST_F(SyncDepthTest, ADiskThatSyncsOneAtATimeIsTriedMoreAndMoreRarely) {
    std::int64_t waited_before_ns = 0;
    for (int trial = 0; trial < 4; ++trial) {
        const std::int64_t began_ns = now_ns_;
        while (depth_.depth() == 1) alone(3 * kMs);
        const std::int64_t waited_ns = now_ns_ - began_ns;
        EXPECT_GT(waited_ns, waited_before_ns);
        waited_before_ns = waited_ns;
        several(static_cast<std::int64_t>(kMax) * 3 * kMs);
    }
    EXPECT_GE(waited_before_ns, 3 * SyncDepth::kRestNsMin);
}

TEST_F(SyncDepthTest, FewRequestsSayNothingAboutTheDisk) {
    alone_times(8, 3 * kMs);
    while (depth_.depth() > 1) {  // never two at the same time
        depth_.on_begin(now_ns_);
        now_ns_ += 3 * kMs;
        depth_.on_end(now_ns_);
        now_ns_ += 50 * kMs;
    }
    alone_times(8, 3 * kMs);
    EXPECT_EQ(depth_.depth(), kMax);
}

TEST_F(SyncDepthTest, AMaximumOfOneIsNeverExceeded) {
    SyncDepth one(1);
    for (int i = 0; i < 100; ++i) one.on_alone(10 * kMs, 0, i * 10 * kMs);
    EXPECT_EQ(one.depth(), 1u);
}

}  // namespace
}  // namespace millrace::store::test
