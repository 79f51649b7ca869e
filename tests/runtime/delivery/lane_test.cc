// Goal: a delivery whose executor answers later is like any other: its block ends with it, its key
// waits for it and nobody else does, its time is bounded, and an answer counts once.
// Method: a real lane over a store in a temporary folder; an executor that answers when the test
// says so; the shard is a fake that keeps the lane's results.
#include "runtime/delivery/lane.h"

#include "store/rows/keys.h"
#include "store/rows/outcome_codec.h"
#include "tests/runtime/block_maker.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

using store::DeliveryStatus;

constexpr core::ShardId kShard{0};

struct FakeShard final : ResultPort {
    std::vector<std::unique_ptr<LaneResult>> results;
    bool take_result(std::uint32_t, std::unique_ptr<LaneResult>& result) override {
        results.push_back(std::move(result));
        return true;
    }
};

class ManualExecutor final : public Executor {
public:
    struct Begun {
        AttemptTicket ticket;
        std::uint64_t offset = 0;
        std::uint32_t attempt = 0;
        std::string delivery_id;
    };
    explicit ManualExecutor(AnswerPort& its_port) : port(its_port) {}

    Start start(const AttemptInput& input, AttemptResult& result) override {
        char id[64];
        const std::size_t bytes = input.delivery_id.write(input.delivery_id.self, id, sizeof id);
        begun.push_back({input.ticket, input.event->position.offset.value, input.attempt,
                         std::string(id, bytes)});
        if (held) return Start::kHeld;
        if (pending) return Start::kPending;
        result.outcome = AttemptOutcome::kOk;
        return Start::kDone;
    }
    PendingBounds bounds(const AttemptInput&) const override { return limits; }
    void abandon(AttemptTicket ticket) override { abandoned.push_back(ticket); }

    bool answer(AttemptTicket ticket, AttemptOutcome outcome, std::string_view error = "") {
        AttemptResult result;
        result.outcome = outcome;
        result.outcome_text = outcome == AttemptOutcome::kOk ? "completed" : "failed";
        result.error = error;
        return port.answer(ticket, result);
    }

    AnswerPort& port;
    bool pending = true;
    bool held = false;
    PendingBounds limits;
    std::vector<Begun> begun;
    std::vector<AttemptTicket> abandoned;
};

class LaneTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        auto snapshot = std::make_shared<RegistrySnapshot>();
        for (std::uint32_t n = 1; n <= 2; ++n) {
            auto subscription = std::make_shared<Subscription>();
            subscription->number = core::SubscriptionId(n);
            subscription->id = "s" + std::to_string(n);
            subscription->retry.initial_delay_ms = 1000;
            subscription->retry.jitter = Jitter::kNone;
            snapshot->subscriptions.set(n, subscription);
        }
        registry_ = snapshot;
        Lane::Deps deps;
        deps.run.clock = &clock_;
        deps.run.hasher = &database_->hasher();
        deps.run.kv = &database_->kv();
        deps.run.pools = &database_->pools();
        deps.run.metrics = &metrics_;
        deps.run.drain = [this](const DrainRequest& request) { drains_.push_back(request); };
        deps.make_executors = [this](AnswerPort& port) {
            ExecutorSet set;
            auto made = std::make_unique<ManualExecutor>(port);
            executor_ = made.get();
            set[static_cast<std::size_t>(ExecutorType::kScript)] = std::move(made);
            return set;
        };
        deps.registry = [this] { return registry_; };
        deps.registry_version = [this] { return registry_->version; };
        deps.results = {&shard_};
        lane_ = std::make_unique<Lane>(std::move(deps));
    }
    void TearDown() override {
        lane_.reset();
        store::test::StoreTest::TearDown();
    }

    // One event per key; all of them for subscription 1.
    void send_block(const std::vector<std::uint32_t>& keys) {
        std::vector<std::string> texts;
        auto job = std::make_unique<LaneJob>();
        for (std::uint32_t i = 0; i < keys.size(); ++i) {
            texts.push_back(R"({"eventId":"e)" + std::to_string(next_event_++) +
                            R"(","pattern":"test","partitionKey":"k)" + std::to_string(keys[i]) +
                            R"(","payload":{}})");
            job->items.push_back({i, core::SubscriptionId(1)});
        }
        job->block = maker_.make(texts, keys);
        lane_->submit(kShard, std::move(job));
    }
    void run() {
        while (lane_->do_work() != 0) {
        }
    }
    std::vector<std::uint64_t> begun() const {
        std::vector<std::uint64_t> offsets;
        for (const auto& one : executor_->begun) offsets.push_back(one.offset);
        return offsets;
    }
    AttemptTicket ticket_of(std::uint64_t offset) const {
        for (const auto& one : executor_->begun) {
            if (one.offset == offset) return one.ticket;
        }
        return {};
    }
    std::vector<std::uint64_t> parts() const {
        std::vector<std::uint64_t> firsts;
        for (const auto& result : shard_.results) {
            for (const core::LogOffset first : result->finished_parts)
                firsts.push_back(first.value);
        }
        return firsts;
    }
    // By offset: status and attempt of each outcome, in their order.
    std::map<std::uint64_t, std::vector<std::pair<DeliveryStatus, std::uint32_t>>> outcomes() {
        std::map<std::uint64_t, std::vector<std::pair<DeliveryStatus, std::uint32_t>>> out;
        for (const auto& result : shard_.results) {
            store::RowBatch::OpView op;
            for (std::size_t at = 0; result->rows.next(at, op);) {
                if (op.op != store::RowBatch::Op::kOutcomes) continue;
                auto chunk = store::OutcomeChunkReader::open(op.value);
                EXPECT_TRUE(chunk);
                store::KeyReader key(op.key);
                const core::LogPosition block = store::read_log_key(key);
                store::OutcomeEntry entry;
                while (chunk->next(entry))
                    out[block.offset.value + entry.event_index].push_back(
                        {entry.status, entry.attempt});
            }
        }
        return out;
    }
    std::int64_t retry_rows() const {
        std::int64_t count = 0;
        for (const auto& result : shard_.results) {
            store::RowBatch::OpView op;
            for (std::size_t at = 0; result->rows.next(at, op);)
                if (op.family == store::ColumnFamily::kRetry) count += op.count_change;
        }
        return count;
    }

    BlockMaker maker_{kShard};
    core::Metrics metrics_;
    RegistrySnapshotRef registry_;
    FakeShard shard_;
    std::vector<DrainRequest> drains_;
    ManualExecutor* executor_ = nullptr;
    std::unique_ptr<Lane> lane_;
    int next_event_ = 0;
};

using Status = std::vector<std::pair<DeliveryStatus, std::uint32_t>>;

TEST_F(LaneTest, ABlockEndsWithItsLastPendingDelivery) {
    send_block({1, 2, 3});
    send_block({4});
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 1, 2, 3}));
    EXPECT_TRUE(parts().empty());
    EXPECT_TRUE(outcomes().empty());
    EXPECT_FALSE(lane_->idle());
    EXPECT_EQ(lane_->attempts_pending(), 4u);

    ASSERT_TRUE(executor_->answer(ticket_of(3), AttemptOutcome::kOk));
    ASSERT_TRUE(executor_->answer(ticket_of(1), AttemptOutcome::kOk));
    ASSERT_TRUE(executor_->answer(ticket_of(0), AttemptOutcome::kOk));
    run();
    EXPECT_EQ(parts(), std::vector<std::uint64_t>{3}) << "the second block is done, not the first";
    ASSERT_TRUE(executor_->answer(ticket_of(2), AttemptOutcome::kOk));
    run();
    EXPECT_EQ(parts(), (std::vector<std::uint64_t>{3, 0}));
    for (std::uint64_t offset = 0; offset < 4; ++offset)
        EXPECT_EQ(outcomes()[offset], (Status{{DeliveryStatus::kCompleted, 1}})) << offset;
    EXPECT_TRUE(lane_->idle());
}

TEST_F(LaneTest, AKeyWaitsForItsPendingDeliveryAndNobodyElseDoes) {
    send_block({1, 1, 2});
    send_block({1});
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 2})) << "1 and 3 wait for 0";
    executor_->answer(ticket_of(0), AttemptOutcome::kOk);
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 2, 1}));
    executor_->answer(ticket_of(1), AttemptOutcome::kOk);
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 2, 1, 3}));
    executor_->answer(ticket_of(2), AttemptOutcome::kOk);
    executor_->answer(ticket_of(3), AttemptOutcome::kOk);
    run();
    EXPECT_EQ(parts().size(), 2u);
}

TEST_F(LaneTest, APendingDeliveryThatFailsParksThoseBehindIt) {
    send_block({1, 1, 1});
    run();
    executor_->answer(ticket_of(0), AttemptOutcome::kFailed, "no");
    run();
    EXPECT_EQ(begun(), std::vector<std::uint64_t>{0});
    EXPECT_EQ(outcomes()[0], (Status{{DeliveryStatus::kRetrying, 1}}));
    EXPECT_EQ(outcomes()[1], (Status{{DeliveryStatus::kRetrying, 0}}));
    EXPECT_EQ(outcomes()[2], (Status{{DeliveryStatus::kRetrying, 0}}));
    EXPECT_EQ(retry_rows(), 3);
    EXPECT_EQ(parts(), std::vector<std::uint64_t>{0}) << "all of it has an outcome";
    EXPECT_TRUE(lane_->idle());
}

TEST_F(LaneTest, AnAnswerCountsOnce) {
    send_block({1});
    run();
    EXPECT_TRUE(executor_->answer(ticket_of(0), AttemptOutcome::kOk));
    EXPECT_TRUE(executor_->answer(ticket_of(0), AttemptOutcome::kFailed, "a second one"));
    run();
    EXPECT_TRUE(executor_->answer(ticket_of(0), AttemptOutcome::kFailed, "a third one"));
    EXPECT_TRUE(executor_->answer(AttemptTicket(4711), AttemptOutcome::kOk));
    run();
    EXPECT_EQ(outcomes()[0], (Status{{DeliveryStatus::kCompleted, 1}}));
    EXPECT_EQ(lane_->answers_dropped(), 3u);
}

TEST_F(LaneTest, AnAttemptThatNeverAnswersFailsWhenItsTimeIsOver) {
    executor_->limits.timeout_ms = 50;
    send_block({1});
    run();
    clock_.advance_us(49'000);
    run();
    EXPECT_TRUE(outcomes().empty());
    clock_.advance_us(2'000);
    run();
    EXPECT_EQ(outcomes()[0], (Status{{DeliveryStatus::kRetrying, 1}}));
    EXPECT_EQ(executor_->abandoned, std::vector<AttemptTicket>{ticket_of(0)});
    EXPECT_TRUE(executor_->answer(ticket_of(0), AttemptOutcome::kOk)) << "too late";
    run();
    EXPECT_EQ(outcomes()[0].size(), 1u);
    EXPECT_EQ(lane_->answers_dropped(), 1u);
}

TEST_F(LaneTest, NoMoreArePendingThanTheWindowOfTheirSubscription) {
    executor_->limits.window = 2;
    send_block({1, 2, 3, 4, 5});
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 1}));
    executor_->answer(ticket_of(1), AttemptOutcome::kOk);
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 1, 2}));
    executor_->pending = false;  // the rest ends at once
    executor_->answer(ticket_of(0), AttemptOutcome::kOk);
    run();
    EXPECT_EQ(begun(), (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
    executor_->answer(ticket_of(2), AttemptOutcome::kOk);
    run();
    EXPECT_EQ(parts(), std::vector<std::uint64_t>{0});
}

TEST_F(LaneTest, WhatIsPendingAtTheEndIsAbandonedAndHasNoOutcome) {
    send_block({1, 1, 2});
    run();
    lane_->stop_taking();
    run();
    EXPECT_FALSE(lane_->idle()) << "what is pending may still answer";
    executor_->answer(ticket_of(2), AttemptOutcome::kOk);
    run();
    EXPECT_FALSE(lane_->idle());
    lane_->abandon_pending();
    run();
    EXPECT_TRUE(lane_->idle());
    EXPECT_EQ(executor_->abandoned, std::vector<AttemptTicket>{ticket_of(0)});
    EXPECT_EQ(outcomes().size(), 1u);
    EXPECT_TRUE(parts().empty()) << "the cursor stays before the block";
}

TEST_F(LaneTest, ADeliveryThatMayNotRunWaitsAndIsNotCounted) {
    executor_->held = true;
    send_block({1, 1});
    run();
    EXPECT_EQ(begun(), std::vector<std::uint64_t>{0}) << "the second one waits behind the first";
    EXPECT_EQ(outcomes()[0], (Status{{DeliveryStatus::kRetrying, 0}}));
    EXPECT_EQ(outcomes()[1], (Status{{DeliveryStatus::kRetrying, 0}}));
    EXPECT_EQ(retry_rows(), 2);
    EXPECT_EQ(parts(), std::vector<std::uint64_t>{0});
}

// A row whose subscription is nobody's goes; of one that does not read it stays.
TEST_F(LaneTest, WhatWaitsForASubscriptionThatDoesNotReadStays) {
    put(kShard, {.id = "e"});
    const auto bring = [this](std::uint32_t subscription) {
        auto job = std::make_unique<LaneJob>();
        job->kind = JobKind::kRetry;
        job->items.push_back({0, core::SubscriptionId(subscription)});
        job->single = **database_->log_reader().read_event({kShard, core::LogOffset{0}});
        job->retry_due_at_us = 5;
        ASSERT_TRUE(lane_->submit_aside(job));
        run();
    };
    bring(7);
    EXPECT_EQ(retry_rows(), -1);
    auto damaged = std::make_shared<RegistrySnapshot>(*registry_);
    ++damaged->version;
    damaged->set_aside = {core::SubscriptionId(8)};
    registry_ = damaged;
    bring(8);
    EXPECT_EQ(retry_rows(), -1);
    EXPECT_TRUE(outcomes().empty());
    EXPECT_TRUE(lane_->idle());
}

TEST_F(LaneTest, ADeliveryHasOneIdOverItsAttemptsAndNoOtherHasIt) {
    executor_->pending = false;
    send_block({1, 2, 3});
    run();
    auto again = std::make_unique<LaneJob>();
    again->kind = JobKind::kReplay;
    again->replay_id = "rp_1";
    BlockMaker same(kShard);
    again->block = same.make({R"({"eventId":"e0","pattern":"test","payload":{}})"}, {1});
    again->items.push_back({0, core::SubscriptionId(1)});
    again->items.push_back({0, core::SubscriptionId(2)});
    lane_->submit(kShard, std::move(again));
    run();
    ASSERT_EQ(executor_->begun.size(), 5u);
    std::set<std::string> ids;
    for (const auto& one : executor_->begun) {
        EXPECT_EQ(one.delivery_id.size(), kDeliveryIdBytes);
        ids.insert(one.delivery_id);
    }
    EXPECT_EQ(ids.size(), 4u);
    EXPECT_EQ(executor_->begun[0].delivery_id, executor_->begun[3].delivery_id);
}

}  // namespace
}  // namespace millrace::runtime
