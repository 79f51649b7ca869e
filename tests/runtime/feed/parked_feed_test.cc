// Goal: a key's parked deliveries come when its lane has room, whatever other lanes have. Method: a
// real store, lanes that are lists.
#include "runtime/feed/parked_feed.h"

#include "runtime/registry/registry_snapshot.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

namespace millrace::runtime {
namespace {

class ParkedFeedTest : public store::test::StoreTest {
protected:
    static constexpr std::uint32_t kLanes = 2;
    static constexpr std::uint32_t kOfLane[kLanes] = {1, 0xf000'0000};  // key hashes

    void SetUp() override {
        open();
        put(kZero, {.id = "e"});
        ParkedFeed::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.database = database_.get();
        deps.registry = [this] { return registry_; };
        deps.lanes = kLanes;
        deps.submit_aside = [this](std::uint32_t lane, std::unique_ptr<LaneJob>& job) {
            if (lane == full_lane_) return false;
            jobs_[lane].push_back(std::move(job));
            return true;
        };
        deps.wake = [] {};
        feed_.emplace(std::move(deps));
    }
    void ask(std::uint32_t subscription, std::uint32_t key_hash) {
        const store::DeliveryKey delivery{{kZero, {}}, core::SubscriptionId{subscription}};
        store::RowBatch rows;
        rows.put_retry({.due_at_us = store::kParkedDueUs,
                        .delivery = delivery,
                        .key_hash = key_hash,
                        .state = "0"});
        ASSERT_TRUE(database_->write_now(rows));
        DrainRequest request;
        request.subscription = delivery.subscription;
        request.key_hash = key_hash;
        feed_->drain(request);
    }

    core::Log log_{clock_, core::LogLevel::kError, [](std::string_view) {}};
    RegistrySnapshotRef registry_ = std::make_shared<const RegistrySnapshot>();
    std::uint32_t full_lane_ = kLanes;
    std::vector<std::unique_ptr<LaneJob>> jobs_[kLanes];
    std::optional<ParkedFeed> feed_;
};

TEST_F(ParkedFeedTest, AFullLaneHoldsUpNoOther) {
    full_lane_ = 0;
    for (std::uint32_t subscription = 1; subscription <= 200; ++subscription)
        ask(subscription, kOfLane[0]);
    ask(201, kOfLane[1]);
    for (int turns = 0; turns < 10; ++turns) feed_->do_work();
    EXPECT_EQ(jobs_[1].size(), 1u);
    EXPECT_LT(feed_->sleep_us_max(), 1'000'000);
    full_lane_ = kLanes;
    for (int turns = 0; turns < 10; ++turns) feed_->do_work();
    EXPECT_EQ(jobs_[0].size(), 200u);
    for (std::uint32_t i = 0; i < jobs_[0].size(); ++i) EXPECT_EQ(jobs_[0][i]->parked.size(), 1u);
    EXPECT_GT(feed_->sleep_us_max(), 1'000'000);
}

TEST_F(ParkedFeedTest, WhatIsParkedForASubscriptionThatDoesNotReadStays) {
    auto damaged = std::make_shared<RegistrySnapshot>();
    damaged->set_aside = {core::SubscriptionId(7)};
    registry_ = damaged;
    ask(7, kOfLane[0]);
    ask(8, kOfLane[0]);
    for (int turns = 0; turns < 10; ++turns) feed_->do_work();
    ASSERT_EQ(jobs_[0].size(), 1u);
    EXPECT_EQ(jobs_[0][0]->drain.subscription.value, 8u);
    registry_ = std::make_shared<const RegistrySnapshot>();
    clock_.advance_us(1'000'000);
    for (int turns = 0; turns < 10; ++turns) feed_->do_work();
    ASSERT_EQ(jobs_[0].size(), 2u);
    EXPECT_EQ(jobs_[0][1]->parked.size(), 1u);
}

}  // namespace
}  // namespace millrace::runtime
