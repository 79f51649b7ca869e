// Goal: order, the turn to cold when a lane is full and back to hot when it has caught up, and that
// nothing is handed over twice or left out. Method: lanes and feeder are fakes; blocks are made by
// the store's own builder.
#include "runtime/shard/shard_dispatch.h"

#include "runtime/delivery/lane_split.h"
#include "tests/runtime/block_maker.h"

#include <gtest/gtest.h>

#include <deque>

namespace millrace::runtime {
namespace {

constexpr core::ShardId kShard{0};

struct FakeLane final : LanePort {
    std::size_t room = 2;
    std::deque<std::unique_ptr<LaneJob>> jobs;
    bool has_room(core::ShardId) const override { return jobs.size() < room; }
    void submit(core::ShardId, std::unique_ptr<LaneJob> job) override {
        jobs.push_back(std::move(job));
    }
    core::LogOffset take() {
        const core::LogOffset first = jobs.front()->block.first_offset();
        jobs.pop_front();
        return first;
    }
};

struct FakeFeeder final : ColdSource {
    std::deque<core::LogOffset> asked;
    void request(core::ShardId, core::LogOffset from, core::LogOffset, std::uint32_t) override {
        asked.push_back(from);
    }
};

class ShardDispatcherTest : public testing::Test {
protected:
    store::EventBlock add_block() { return blocks_.emplace_back(maker_.make(2)); }
    static std::vector<DeliveryItem> both() {
        return {{0, core::SubscriptionId(1)}, {1, core::SubscriptionId(1)}};
    }

    // What the feeder would answer for the block that holds `from`.
    ColdBlock read_back(core::LogOffset from) {
        for (const store::EventBlock& block : blocks_) {
            if (block.contains(from)) return split_by_lane(block, both(), 1);
        }
        return {};
    }

    // Lanes and feeder do their work until `wanted` blocks came to the lanes: their first offsets.
    std::vector<core::LogOffset> run(ShardDispatcher& dispatcher, std::size_t wanted) {
        std::vector<core::LogOffset> seen;
        for (int round = 0; round < 1000 && seen.size() < wanted; ++round) {
            dispatcher.do_work();
            if (!feeder_.asked.empty()) {
                dispatcher.on_cold(read_back(feeder_.asked.front()));
                feeder_.asked.pop_front();
                ++read_back_;
            }
            if (lane_.jobs.empty()) continue;
            dispatcher.count_ended(lane_.jobs.front()->items.size());
            seen.push_back(lane_.take());
            dispatcher.finish_part(seen.back());
        }
        return seen;
    }
    static std::vector<core::LogOffset> first_offsets(std::size_t blocks) {
        std::vector<core::LogOffset> out;
        for (std::size_t i = 0; i < blocks; ++i) out.emplace_back(2 * i);
        return out;
    }

    std::size_t read_back_ = 0;
    BlockMaker maker_{kShard};
    std::vector<store::EventBlock> blocks_;
    FakeLane lane_;
    FakeFeeder feeder_;
    std::vector<LanePort*> lanes_{&lane_};
};

TEST_F(ShardDispatcherTest, HandsBlocksOverInOrderWhileLanesKeepUp) {
    ShardDispatcher dispatcher({kShard, {}, {}}, lanes_, feeder_);
    dispatcher.on_durable(add_block(), both());
    dispatcher.on_durable(add_block(), both());
    EXPECT_EQ(lane_.take(), core::LogOffset(0));
    EXPECT_EQ(lane_.take(), core::LogOffset(2));
    dispatcher.finish_part(core::LogOffset(0));
    EXPECT_EQ(dispatcher.cursor(), core::LogOffset(2));
    EXPECT_FALSE(dispatcher.cold());
}

TEST_F(ShardDispatcherTest, TurnsColdWhenALaneIsFullAndHotAgainWhenCaughtUp) {
    ShardDispatcher dispatcher({kShard, {}, {}, 0}, lanes_, feeder_);
    for (int i = 0; i < 5; ++i) dispatcher.on_durable(add_block(), both());
    EXPECT_TRUE(dispatcher.cold());
    EXPECT_EQ(run(dispatcher, 5), first_offsets(5));
    EXPECT_EQ(dispatcher.cursor(), core::LogOffset(10));
    EXPECT_EQ(read_back_, 3u);
    dispatcher.do_work();
    EXPECT_FALSE(dispatcher.cold());
    dispatcher.on_durable(add_block(), both());
    EXPECT_EQ(lane_.take(), core::LogOffset(10));
}

TEST_F(ShardDispatcherTest, BlocksWaitInMemoryForALaneThatIsFull) {
    ShardDispatcher dispatcher({kShard, {}, {}}, lanes_, feeder_);
    for (int i = 0; i < 20; ++i) dispatcher.on_durable(add_block(), both());
    EXPECT_FALSE(dispatcher.cold());
    EXPECT_FALSE(dispatcher.idle());
    EXPECT_EQ(dispatcher.waiting(), 40);
    EXPECT_EQ(run(dispatcher, 20), first_offsets(20));
    EXPECT_EQ(read_back_, 0u);
    EXPECT_EQ(dispatcher.waiting(), 0);
    EXPECT_TRUE(dispatcher.idle());
}

TEST_F(ShardDispatcherTest, ReadsBackOnlyWhatIsNoLongerInMemory) {
    BlockMaker other(kShard);
    // Room for about three blocks before it turns cold, and for the newest three after that.
    const std::size_t room = 3 * (sizeof(ColdBlock) + sizeof(LaneJob) + 2 * sizeof(DeliveryItem) +
                                  other.make(2).body().size());
    ShardDispatcher dispatcher({kShard, {}, {}, room}, lanes_, feeder_);
    for (int i = 0; i < 20; ++i) dispatcher.on_durable(add_block(), both());
    EXPECT_TRUE(dispatcher.cold());
    EXPECT_EQ(dispatcher.waiting(), 40);
    EXPECT_EQ(run(dispatcher, 20), first_offsets(20));
    EXPECT_GT(read_back_, 8u);
    EXPECT_LT(read_back_, 15u);
    dispatcher.do_work();
    EXPECT_FALSE(dispatcher.cold());
    EXPECT_EQ(dispatcher.waiting(), 0);
}

TEST_F(ShardDispatcherTest, BeginsColdBehindTheCursorAfterARestart) {
    for (int i = 0; i < 3; ++i) add_block();
    ShardDispatcher dispatcher({kShard, core::LogOffset(2), core::LogOffset(6)}, lanes_, feeder_);
    EXPECT_TRUE(dispatcher.cold());
    dispatcher.do_work();
    ASSERT_EQ(feeder_.asked.size(), 1u);
    EXPECT_EQ(feeder_.asked.front(), core::LogOffset(2));
}

TEST_F(ShardDispatcherTest, AsksForOneAnswerAtATime) {
    for (int i = 0; i < 3; ++i) add_block();
    ShardDispatcher dispatcher({kShard, core::LogOffset(0), core::LogOffset(6)}, lanes_, feeder_);
    for (int i = 0; i < 10; ++i) dispatcher.do_work();
    EXPECT_EQ(feeder_.asked.size(), 1u);
}

TEST_F(ShardDispatcherTest, HandsNothingOverOnceStopped) {
    ShardDispatcher dispatcher({kShard, {}, {}}, lanes_, feeder_);
    dispatcher.stop();
    dispatcher.on_durable(add_block(), both());
    EXPECT_TRUE(lane_.jobs.empty());
    EXPECT_EQ(dispatcher.cursor(), core::LogOffset(0));
}

}  // namespace
}  // namespace millrace::runtime
