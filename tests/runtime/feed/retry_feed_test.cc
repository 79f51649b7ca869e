// Goal: what is due of one tenant, and what of it is slow, leaves room for another's. Method: a
// real store, lanes that keep what they are given until the test ends it.
#include "runtime/feed/retry_feed.h"

#include "runtime/delivery/outcome_writer.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/engine.h"
#include "store/rows/keys.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::runtime {
namespace {

class RetryFeedTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        put(kZero, {.id = "e"});
        due_.emplace(clock_);
        RetryFeed::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.lanes = kLanes;
        deps.database = database_.get();
        deps.registry = [this] { return registry_; };
        deps.submit_aside = [this](std::uint32_t lane, std::unique_ptr<LaneJob>& job) {
            if (jobs_.size() >= room_ || lane == full_lane_) return false;
            jobs_.push_back(std::move(job));
            return true;
        };
        deps.wake = [] {};
        deps.due = &*due_;
        feed_.emplace(std::move(deps));
    }
    // Rows of one event, each for a subscription of its own.
    void put_rows(std::uint32_t tenant, std::int64_t due_us, std::size_t count,
                  std::string_view state = "0", core::LogPosition position = {kZero, {}}) {
        store::RowBatch rows;
        for (std::size_t i = 0; i < count; ++i) {
            rows.put_retry({.due_at_us = due_us,
                            .delivery = {position, core::SubscriptionId{++subscription_}},
                            .tenant = core::TenantId{tenant},
                            .state = state});
            tenant_of_.push_back(tenant);
        }
        ASSERT_TRUE(database_->write_now(rows));
    }
    std::size_t under_way(std::uint32_t tenant) const {
        return static_cast<std::size_t>(
            std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& job) {
                return tenant_of_[job->items[0].subscription.value - 1] == tenant;
            }));
    }
    // As a lane does when all that came of them is durable.
    void end_all() {
        store::RowBatch ended;
        for (const auto& job : jobs_) {
            const core::SubscriptionId subscription = job->items[0].subscription;
            ended.erase_retry(job->retry_due_at_us,
                              core::TenantId{tenant_of_[subscription.value - 1]},
                              {{kZero, core::LogOffset{0}}, subscription});
        }
        ASSERT_TRUE(database_->write_now(ended));
        for (const auto& job : jobs_) job->finished(1, 0);
        jobs_.clear();
    }

    // The lane of an event without a key is the first, of this key the last.
    static constexpr std::size_t kLanes = 2;
    static constexpr std::string_view kOfLastLane = "1 k4294967295";

    core::Log log_{clock_, core::LogLevel::kError, [](std::string_view) {}};
    std::optional<DueClock> due_;
    RegistrySnapshotRef registry_ = std::make_shared<const RegistrySnapshot>();
    std::size_t room_ = 1'000;
    std::uint32_t full_lane_ = kLanes;
    std::vector<std::unique_ptr<LaneJob>> jobs_;
    std::vector<std::uint32_t> tenant_of_;
    std::uint32_t subscription_ = 0;
    std::optional<RetryFeed> feed_;
};

TEST_F(RetryFeedTest, OneOfAnotherTenantGoesInTheFirstTurn) {
    const std::int64_t now_us = due_->now_us();
    put_rows(1, now_us - 1'000'000, 20'000);
    put_rows(2, now_us, 1);
    feed_->do_work();
    EXPECT_EQ(under_way(2), 1u);
}

TEST_F(RetryFeedTest, AttemptsThatTakeLongLeaveRoomForAnothers) {
    const std::int64_t now_us = due_->now_us();
    put_rows(1, now_us, 500);
    feed_->do_work();
    EXPECT_EQ(under_way(1), 96u);
    put_rows(2, now_us, 10);
    feed_->do_work();
    EXPECT_EQ(under_way(2), 10u);
}

TEST_F(RetryFeedTest, EachRowComesOnceAlsoWhenALaneHasNoRoom) {
    const std::int64_t now_us = due_->now_us();
    put_rows(1, now_us, 700);
    put_rows(2, now_us, 300);
    room_ = 10;
    std::size_t seen = 0;
    for (int turns = 0; turns < 500 && seen < 1'000; ++turns) {
        feed_->do_work();
        ASSERT_LE(jobs_.size(), room_);
        seen += jobs_.size();
        end_all();
        room_ = 10 + static_cast<std::size_t>(turns);
        clock_.advance_us(store::RetrySchedule::kLaterNs / 1'000);
    }
    feed_->do_work();
    EXPECT_EQ(seen, 1'000u);
    EXPECT_TRUE(jobs_.empty());
    EXPECT_EQ(database_->retries().count(), 0u);
}

// A clock that was set: what waits by the other one is not due, and holds up nothing that is.
TEST_F(RetryFeedTest, RowsThatAreNotDueByTheirClockHoldUpNobody) {
    const std::int64_t now_us = due_->now_us();
    constexpr std::int64_t kDayUs = 86'400'000'000;
    constexpr std::string_view kByWallClock = "0 w";
    clock_.step_wall_us(kDayUs);
    put_rows(1, now_us + 60'000'000, 10'000);
    put_rows(1, now_us + 120'000'000, 1, kByWallClock);
    for (int turns = 0; turns < 10; ++turns) feed_->do_work();
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_[0]->items[0].subscription.value, subscription_);
    end_all();

    clock_.step_wall_us(-2 * kDayUs);
    put_rows(1, now_us - 60'000'000, 10'000, kByWallClock);
    put_rows(1, now_us, 1);
    for (int turns = 0; turns < 10; ++turns) feed_->do_work();
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_[0]->items[0].subscription.value, subscription_);
    end_all();

    // In their time they come.
    clock_.advance_us(60'000'000);
    for (int turns = 0; turns < 10 && jobs_.empty(); ++turns) feed_->do_work();
    EXPECT_EQ(jobs_.size(), 96u);
}

// More of them than a tenant may have under way.
TEST_F(RetryFeedTest, EventsThatCanNotBeReadHoldUpNobody) {
    put(kOne, {.id = "f"});
    store::RowBatch damage;
    damage.put(store::ColumnFamily::kLog, store::log_key({kOne, {}}), "not a block");
    ASSERT_TRUE(database_->write_now(damage));
    const std::int64_t now_us = due_->now_us();
    put_rows(1, now_us - 1, 500, "0", {kOne, {}});
    put_rows(1, now_us, 1);
    for (int turns = 0; turns < 20; ++turns) feed_->do_work();
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_[0]->items[0].subscription.value, subscription_);
}

// What a full lane refuses is looked at again soon; what can not be read is not read with it.
TEST_F(RetryFeedTest, OneThatCanNotBeReadRestsWhileOthersAreRefused) {
    put(kOne, {.id = "f"});
    rocksdb::PinnableSlice block;
    ASSERT_TRUE(
        database_->engine().get(store::ColumnFamily::kLog, store::log_key({kOne, {}}), block));
    const std::string whole = block.ToString();
    const auto write = [this](std::string_view value) {
        store::RowBatch rows;
        rows.put(store::ColumnFamily::kLog, store::log_key({kOne, {}}), value);
        ASSERT_TRUE(database_->write_now(rows));
    };
    write("not a block");
    const std::int64_t now_us = due_->now_us();
    full_lane_ = kLanes - 1;
    put_rows(1, now_us - 1, 1, "0", {kOne, {}});
    put_rows(1, now_us, 10, kOfLastLane, {kZero, core::LogOffset{99}});
    feed_->do_work();
    write(whole);
    for (int turns = 0; turns < 40; ++turns) {
        clock_.advance_us(10'000);
        feed_->do_work();
    }
    EXPECT_TRUE(jobs_.empty()) << "0.4 s later";
    for (int turns = 0; turns < 20; ++turns) {
        clock_.advance_us(10'000);
        feed_->do_work();
    }
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_[0]->items[0].subscription.value, 1u);
}

TEST_F(RetryFeedTest, AFullLaneHoldsUpNoOther) {
    const std::int64_t now_us = due_->now_us();
    full_lane_ = 0;
    put_rows(1, now_us - 1, 500);
    put_rows(1, now_us, 1, kOfLastLane, {kZero, core::LogOffset{99}});  // of an event that is gone
    for (int turns = 0; turns < 100 && jobs_.empty(); ++turns) {
        feed_->do_work();
        clock_.advance_us(1'000);
    }
    ASSERT_EQ(jobs_.size(), 1u);
    EXPECT_EQ(jobs_[0]->kind, JobKind::kLostEvent);
    jobs_.clear();
    full_lane_ = kLanes;
    clock_.advance_us(store::RetrySchedule::kLaterNs / 1'000);
    feed_->do_work();
    EXPECT_EQ(jobs_.size(), 95u) << "one of 96 has not ended";
}

// The process before began by a clock that was a year ahead.
TEST_F(RetryFeedTest, DeadLettersOnTheirWayBackDoNotWaitForAClockOfBefore) {
    const std::int64_t now_us = due_->now_us();
    constexpr std::int64_t kYearUs = 365 * 86'400'000'000;
    for (const std::int64_t behind_us : {0, 500'000})
        put_rows(1, now_us + kYearUs + behind_us, 1, encode_redrive(now_us));
    ASSERT_TRUE(feed_->load_keys());
    const auto page = database_->retries().list("", 10);
    ASSERT_EQ(page->rows.size(), 2u);
    EXPECT_EQ(page->rows[0].row.due_at_us, now_us);
    EXPECT_EQ(page->rows[1].row.due_at_us, now_us + 500'000) << "at their pace";
    const store::RetryRow& row = page->rows[0].row;
    EXPECT_EQ(feed_->redriven().due_us({row.tenant, now_us, row.delivery}), now_us);
}

// A dead letter whose subscription does not run: its attempt ends, and its row is as it was.
TEST_F(RetryFeedTest, ARowThatItsAttemptLeavesComesAgain) {
    put_rows(1, due_->now_us(), 1);
    feed_->do_work();
    ASSERT_EQ(jobs_.size(), 1u);
    jobs_[0]->finished(0, 0);
    jobs_.clear();
    feed_->do_work();
    EXPECT_EQ(jobs_.size(), 1u);
}

// Its document is damaged, or the script's that it runs: what waits for it is nobody else's.
TEST_F(RetryFeedTest, WhatWaitsForASubscriptionThatDoesNotReadWaits) {
    const auto show = [&](std::uint64_t version, std::vector<core::SubscriptionId> set_aside,
                          bool unknown) {
        auto next = std::make_shared<RegistrySnapshot>();
        next->version = version;
        next->set_aside = std::move(set_aside);
        next->unknown_set_aside = unknown;
        registry_ = std::move(next);
    };
    show(1, {core::SubscriptionId(2)}, false);
    put_rows(1, due_->now_us(), 3);
    for (int turns = 0; turns < 5; ++turns) feed_->do_work();
    EXPECT_EQ(jobs_.size(), 2u) << "those of nobody are given up";
    end_all();
    show(2, {}, true);
    put_rows(1, due_->now_us(), 2);
    for (int turns = 0; turns < 5; ++turns) feed_->do_work();
    EXPECT_TRUE(jobs_.empty()) << "any may be that one's";
    EXPECT_EQ(database_->retries().count(), 3u);
    show(3, {}, false);
    for (int turns = 0; turns < 5; ++turns) feed_->do_work();
    EXPECT_EQ(jobs_.size(), 3u);
}

}  // namespace
}  // namespace millrace::runtime
