// Goal: what is due of one tenant, and what of it is slow, leaves room for another's. Method: a
// real store, lanes that keep what they are given until the test ends it.
#include "runtime/feed/retry_feed.h"

#include "runtime/registry/registry_snapshot.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
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
        deps.database = database_.get();
        deps.registry = [registry = std::make_shared<const RegistrySnapshot>()] {
            return registry;
        };
        deps.submit_aside = [this](std::uint32_t, std::unique_ptr<LaneJob>& job) {
            if (jobs_.size() >= room_) return false;
            jobs_.push_back(std::move(job));
            return true;
        };
        deps.wake = [] {};
        deps.due = &*due_;
        feed_.emplace(std::move(deps));
    }
    // Rows of one event, each for a subscription of its own.
    void put_rows(std::uint32_t tenant, std::int64_t due_us, std::size_t count) {
        store::RowBatch rows;
        for (std::size_t i = 0; i < count; ++i) {
            rows.put_retry(
                {.due_at_us = due_us,
                 .delivery = {{kZero, core::LogOffset{0}}, core::SubscriptionId{++subscription_}},
                 .tenant = core::TenantId{tenant},
                 .state = "0"});
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

    std::optional<DueClock> due_;
    std::size_t room_ = 1'000;
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
    }
    feed_->do_work();
    EXPECT_EQ(seen, 1'000u);
    EXPECT_TRUE(jobs_.empty());
    EXPECT_EQ(database_->retries().count(), 0u);
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

}  // namespace
}  // namespace millrace::runtime
