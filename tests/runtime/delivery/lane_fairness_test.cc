// Goal: what waits of a tenant is not run before what comes of another: bounded by a number,
// whatever waits, and wherever: in the ring, in the log, among the retries and replays.
// Method: a real lane on a clock that only deliveries move; the shard is a fake that lets
// subscriptions fall behind. Counted is what begins, never how long it takes.
#include "runtime/delivery/lane.h"
#include "tests/runtime/block_maker.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::ShardId kShard{0};
constexpr core::SubscriptionId kFloods{1}, kQuick{2};

class CountingExecutor final : public Executor {
public:
    CountingExecutor(core::ManualClock& clock, std::int64_t takes_us)
        : clock_(clock), takes_us_(takes_us) {}
    Start start(const AttemptInput& input, AttemptResult& result) override {
        ++begun[input.subscription->number.value];
        if (pending_of == input.subscription->number) return Start::kPending;
        clock_.advance_us(takes_us_);
        if (on_begin) on_begin();
        result.outcome = AttemptOutcome::kOk;
        return Start::kDone;
    }
    PendingBounds bounds(const AttemptInput&) const override {
        PendingBounds out;
        out.window = 1000;
        return out;
    }
    void abandon(AttemptTicket) override {}

    std::array<std::size_t, 8> begun{};
    core::SubscriptionId pending_of{};
    std::function<void()> on_begin;

private:
    core::ManualClock& clock_;
    const std::int64_t takes_us_;
};

class LaneFairnessTest : public store::test::StoreTest, public ResultPort {
protected:
    void SetUp() override {
        open();
        auto snapshot = std::make_shared<RegistrySnapshot>();
        for (std::uint32_t n = 1; n <= 2; ++n) {
            auto subscription = std::make_shared<Subscription>();
            subscription->number = core::SubscriptionId(n);
            subscription->tenant = core::TenantId(n);
            subscription->id = "s" + std::to_string(n);
            subscription->ordering = Ordering::kNone;
            snapshot->subscriptions.set(n, subscription);
            auto tenant = std::make_shared<Tenant>();
            tenant->id = "t" + std::to_string(n);
            snapshot->tenants.set(n, tenant);
        }
        registry_ = snapshot;
        Lane::Deps deps;
        deps.run.clock = &clock_;
        deps.run.hasher = &database_->hasher();
        deps.run.kv = &database_->kv();
        deps.run.pools = &database_->pools();
        deps.run.metrics = &metrics_;
        deps.run.behind = &behind_;
        deps.make_executors = [this](AnswerPort&) {
            ExecutorSet set;
            auto made = std::make_unique<CountingExecutor>(clock_, 50);
            executor_ = made.get();
            set[static_cast<std::size_t>(ExecutorType::kScript)] = std::move(made);
            return set;
        };
        deps.registry = [this] { return registry_; };
        deps.registry_version = [this] { return registry_->version; };
        deps.results = {this};
        lane_ = std::make_unique<Lane>(std::move(deps));
    }
    void TearDown() override {
        lane_.reset();
        store::test::StoreTest::TearDown();
    }
    bool take_result(std::uint32_t, std::unique_ptr<LaneResult>& result) override {
        for (const BehindAsk& ask : result->behind) {
            behind_.begin(ask.subscription, kShard, core::LogOffset{0});
            ask.taken->store(true, std::memory_order_release);
        }
        for (const auto& [subscription, count] : result->passed_over)
            passed_over_[subscription.value] += count;
        result.reset();
        return true;
    }

    std::unique_ptr<LaneJob> job_of(core::SubscriptionId subscription, std::size_t events,
                                    JobKind kind = JobKind::kBlock) {
        auto job = std::make_unique<LaneJob>();
        job->kind = kind;
        if (kind == JobKind::kReplay) job->replay_id = "rp_1";
        job->block = maker_.make(events);
        for (std::uint32_t i = 0; i < events; ++i) job->items.push_back({i, subscription});
        return job;
    }
    // As a shard hands over: in order, when there is room.
    void hand_over(core::SubscriptionId subscription, std::size_t events) {
        while (!lane_->has_room(kShard)) lane_->do_work();
        lane_->submit(kShard, job_of(subscription, events));
    }
    std::size_t begun(core::SubscriptionId of) const { return executor_->begun[of.value]; }
    void run() {
        while (lane_->do_work() != 0) {
        }
    }

    BlockMaker maker_{kShard};
    core::Metrics metrics_;
    RegistrySnapshotRef registry_;
    BehindTable behind_;
    CountingExecutor* executor_ = nullptr;
    std::unique_ptr<Lane> lane_;
    std::array<std::size_t, 8> passed_over_{};
};

TEST_F(LaneFairnessTest, OfABacklogInFrontOfItNextToNothingRunsBeforeAnothersDelivery) {
    for (int block = 0; block < 20; ++block) hand_over(kFloods, 10'000);
    hand_over(kQuick, 1);
    while (begun(kQuick) == 0) ASSERT_NE(lane_->do_work(), 0u);
    EXPECT_LT(begun(kFloods), 500u) << "of 200,000";
    EXPECT_GT(passed_over_[kFloods.value], 150'000u) << "they wait in the log";
    EXPECT_EQ(passed_over_[kQuick.value], 0u) << "the other one has not fallen behind";
}

TEST_F(LaneFairnessTest, WhatComesWhileABacklogRunsIsNext) {
    for (int i = 0; i < 20; ++i) {
        auto job = job_of(kFloods, 5'000, JobKind::kReplay);
        ASSERT_TRUE(lane_->submit_aside(job));
    }
    std::size_t came_at = 0, worst = 0, rounds = 0;
    executor_->on_begin = [&] {
        // In the middle of a turn, too.
        if (came_at == 0 && begun(kFloods) % 977 == 500) {
            came_at = begun(kFloods);
            lane_->submit(kShard, job_of(kQuick, 1));
        } else if (came_at != 0 && begun(kQuick) == rounds + 1) {
            worst = std::max(worst, begun(kFloods) - came_at);
            came_at = 0;
            ++rounds;
        }
    };
    run();
    EXPECT_EQ(begun(kFloods), 100'000u);
    EXPECT_GT(rounds, 50u);
    EXPECT_LE(worst, 16u) << "deliveries of the backlog before the other's";
}

TEST_F(LaneFairnessTest, ReplaysThatDoNotAnswerLeaveRoomForWhatTheShardsBring) {
    executor_->pending_of = kFloods;
    for (int i = 0; i < 2'000; ++i) {
        auto job = job_of(kFloods, 1, JobKind::kReplay);
        if (!lane_->submit_aside(job)) run();
    }
    run();
    EXPECT_GT(begun(kFloods), 100u);
    hand_over(kQuick, 10);
    run();
    EXPECT_EQ(begun(kQuick), 10u);
}

TEST_F(LaneFairnessTest, OneTenantAloneHasAllOfTheLane) {
    for (int block = 0; block < 3; ++block) hand_over(kFloods, 5'000);
    run();
    EXPECT_EQ(begun(kFloods) + passed_over_[kFloods.value], 15'000u);
    EXPECT_EQ(passed_over_[kFloods.value], 0u) << "what the lane can hold it runs";
}

}  // namespace
}  // namespace millrace::runtime
