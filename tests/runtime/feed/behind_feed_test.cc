// Goal: what a subscription is owed comes to its lane in pieces that others can step between, all
// of it, in the order of the log, and is done when the last piece is. Method: a real store, a lane
// that is a list.
#include "runtime/feed/behind_feed.h"

#include "runtime/delivery/delivery_tracker.h"
#include "runtime/registry/registry_snapshot.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::SubscriptionId kOwed{1};

class QuietShards final : public BehindShards {
public:
    core::LogOffset delivered(core::ShardId) override { return {}; }
    core::LogOffset handed_over(core::ShardId) override { return {}; }
    void fall(core::SubscriptionId, core::ShardId) override {}
    void advance(const BehindTable::Place&, core::LogOffset to) override { advanced_to = to; }
    void rejoin(const BehindTable::Place&, core::LogOffset) override {}
    void call_off(const BehindTable::Place&) override {}
    void end(const BehindTable::Place&, core::LogOffset) override {}
    void forget(const BehindTable::Place&) override {}
    void settle(core::ShardId) override {}

    core::LogOffset advanced_to;
};

class BehindFeedTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        auto subscription = std::make_shared<Subscription>();
        subscription->number = kOwed;
        subscription->id = "s";
        auto spec = std::make_shared<matcher::SubscriptionSpec>();
        spec->pattern = {matcher::PatternPredicate::Kind::kExact, "invoice.created"};
        subscription->spec = spec;
        auto snapshot = std::make_shared<RegistrySnapshot>();
        snapshot->subscriptions.set(kOwed.value, subscription);
        registry_ = snapshot;
        BehindFeed::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.database = database_.get();
        deps.registry = [this] { return registry_; };
        deps.submit_aside = [this](std::uint32_t, std::unique_ptr<LaneJob>& job) {
            if (lane_is_full_) return false;
            jobs_.push_back(std::move(job));
            return true;
        };
        deps.wake = [] {};
        deps.table = &table_;
        deps.shards = &shards_;
        feed_.emplace(std::move(deps));
    }
    // What the shard is done with, and what the subscription is owed of.
    void settle_to(std::uint64_t end) {
        store::RowBatch rows;
        rows.put_cursor(kDeliveryCursor, {kZero, core::LogOffset{end}});
        ASSERT_TRUE(database_->write_now(rows));
        table_.begin(kOwed, kZero, core::LogOffset{0});
    }
    void work(int turns) {
        for (int turn = 0; turn < turns; ++turn) {
            clock_.advance_us(1'000'000);
            feed_->do_work();
        }
    }

    core::Log log_{clock_, core::LogLevel::kError, [](std::string_view) {}};
    RegistrySnapshotRef registry_;
    BehindTable table_;
    QuietShards shards_;
    std::vector<std::unique_ptr<LaneJob>> jobs_;
    bool lane_is_full_ = false;
    std::optional<BehindFeed> feed_;
};

TEST_F(BehindFeedTest, OfALargeBlockALaneGetsPiecesInTheOrderOfTheLog) {
    constexpr std::uint64_t kEvents = 3'000;
    for (std::uint64_t n = 0; n < kEvents; ++n) append(kZero, {.id = "e" + std::to_string(n)});
    commit(kZero);
    settle_to(kEvents);
    std::uint64_t next = 0, done = 0, pieces = 0;
    for (int round = 0; round < 100 && done < kEvents; ++round) {
        work(1);
        for (std::unique_ptr<LaneJob>& job : jobs_) {
            EXPECT_LE(job->items.size(), 1024u);
            ++pieces;
            for (const DeliveryItem& item : job->items) {
                EXPECT_EQ(item.subscription, kOwed);
                EXPECT_EQ(job->event(item.event_index).position.offset.value, next++);
            }
        }
        // The last one is still under way: nothing behind what ended before counts as done.
        while (jobs_.size() > 1) {
            done += jobs_.front()->items.size();
            jobs_.front()->behind_done(0);
            jobs_.erase(jobs_.begin());
        }
        work(1);
        EXPECT_LE(shards_.advanced_to.value, done);
        for (std::unique_ptr<LaneJob>& job : jobs_) {
            done += job->items.size();
            job->behind_done(0);
        }
        jobs_.clear();
    }
    work(3);
    EXPECT_EQ(next, kEvents);
    EXPECT_GE(pieces, 3u);
    EXPECT_EQ(shards_.advanced_to.value, kEvents);
}

TEST_F(BehindFeedTest, WhatWasLeftOutComesAgain) {
    for (int n = 0; n < 10; ++n) append(kZero, {.id = "e" + std::to_string(n)});
    commit(kZero);
    settle_to(10);
    work(1);
    ASSERT_EQ(jobs_.size(), 1u);
    jobs_.front()->behind_done(1);
    jobs_.clear();
    work(3);
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_.front()->items.size(), 10u);
    EXPECT_EQ(shards_.advanced_to.value, 0u);
}

TEST_F(BehindFeedTest, WhatALaneHadNoRoomForDoesNotHoldUpABeginningAnew) {
    for (int block = 0; block < 2; ++block) {
        for (int n = 0; n < 5; ++n) append(kZero, {.id = "e" + std::to_string(5 * block + n)});
        commit(kZero);
    }
    settle_to(10);
    work(1);
    ASSERT_EQ(jobs_.size(), 1u);
    lane_is_full_ = true;
    work(1);
    jobs_.front()->behind_done(1);
    jobs_.clear();
    work(2);
    ASSERT_TRUE(jobs_.empty());
    lane_is_full_ = false;
    work(2);
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_.front()->event(0).position.offset.value, 5u);
    jobs_.front()->behind_done(0);
    jobs_.clear();
    work(3);
    ASSERT_FALSE(jobs_.empty());
    EXPECT_EQ(jobs_.front()->event(0).position.offset.value, 0u);
    EXPECT_EQ(shards_.advanced_to.value, 0u);
}

}  // namespace
}  // namespace millrace::runtime
