// Goal: a replay hands over what it owes once, whatever moment the process dies at, and never more
// at a time than stands in nobody's way. Method: the runner over a real store, with lanes that the
// test plays: it writes outcomes, or leaves them, and starts again.
#include "runtime/replay/replay_runner.h"

#include "matcher/subscription_spec.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <algorithm>
#include <map>

namespace millrace::runtime {
namespace {

constexpr const char* kId = "rp_1";
constexpr core::SubscriptionId kSubscription{1};

class ReplayRunnerTest : public store::test::StoreTest {
protected:
    using Jobs = std::vector<std::unique_ptr<LaneJob>>;

    void SetUp() override {
        open();
        auto spec = matcher::parse_subscription_json(R"({"pattern":"invoice.created"})");
        ASSERT_TRUE(spec);
        auto snapshot = std::make_shared<RegistrySnapshot>();
        for (const std::uint32_t n : {1u, 2u}) {
            ASSERT_TRUE(matcher_.add(core::SubscriptionId(n), {}, *spec));
            auto subscription = std::make_shared<Subscription>();
            subscription->number = core::SubscriptionId(n);
            snapshot->subscriptions.set(n, subscription);
        }
        matcher_.publish();
        registry_ = snapshot;
    }
    void put_blocks(core::ShardId shard, std::size_t blocks, std::size_t events) {
        for (std::size_t i = 0; i < blocks; ++i) {
            for (std::size_t n = 0; n < events; ++n) append(shard, {});
            commit(shard);
        }
    }
    void start_runner() {
        jobs_.clear();
        runner_.reset();
        ReplayRunner::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.metrics = &metrics_;
        deps.database = database_.get();
        deps.registry = [this] { return registry_; };
        deps.lanes = 2;
        deps.submit_aside = [this](std::uint32_t, std::unique_ptr<LaneJob>& job) {
            jobs_.push_back(std::move(job));
            return true;
        };
        deps.wake = [] {};
        deps.begun_ahead = core::kBlockEventsMax;
        runner_ = std::make_unique<ReplayRunner>(std::move(deps));
        SetAside aside(log_);
        ASSERT_TRUE(runner_->load({}, aside));
        EXPECT_EQ(aside.count(), 0u);
    }
    void die_and_start() {
        jobs_.clear();
        runner_.reset();
        crash();
        open();
        start_runner();
    }
    void begin(ReplaySpec spec = {}) {
        spec.to_us = clock_.wall_us() + 1;
        spec.subscriptions = {kSubscription};
        spec.document = "{}";
        ASSERT_TRUE(runner_->start(std::move(spec), kId));
    }
    // The jobs that are there after so many turns.
    Jobs turn(int turns = 1) {
        for (int i = 0; i < turns; ++i) runner_->do_work(block_matcher_);
        return std::exchange(jobs_, {});
    }
    struct How {
        store::DeliveryStatus status = store::DeliveryStatus::kCompleted;
        std::uint32_t attempt = 1;
        std::size_t items = SIZE_MAX;  // of each job, then the process dies
    };
    // As a lane and a shard do it: outcomes in one commit, then the word that they are durable.
    void deliver(Jobs jobs, const How& how) {
        for (const auto& job : jobs) {
            store::RowBatch rows;
            rows.begin_outcomes(job->block_position(0));
            std::size_t done = 0;
            for (const DeliveryItem& item : job->items) {
                if (done++ == how.items) break;
                ++made_[{job->event(item.event_index).position, item.subscription}];
                store::OutcomeEntry entry;
                entry.event_index = item.event_index;
                entry.subscription = item.subscription;
                entry.status = how.status;
                entry.attempt = how.attempt;
                entry.replay_id = job->replay_id;
                rows.add_outcome(entry);
            }
            rows.end_outcomes();
            commit(job->shard(), std::move(rows));
            const bool ok = how.status == store::DeliveryStatus::kCompleted;
            if (done > how.items) continue;
            job->finished(ok ? done : 0, ok || how.attempt == 0 ? 0 : done);
        }
    }
    void deliver(Jobs jobs) { deliver(std::move(jobs), How{}); }
    ReplayProgress progress() { return *runner_->progress({}, kId); }
    void run_to_the_end() {
        for (int i = 0; i < 1000 && progress().status == "running"; ++i) {
            deliver(turn());
            clock_.advance_us(10'000);
        }
        EXPECT_EQ(progress().status, "completed");
    }
    void expect_each_once(std::size_t deliveries) {
        EXPECT_EQ(made_.size(), deliveries);
        for (const auto& [delivery, times] : made_) EXPECT_EQ(times, 1);
    }

    core::Log log_{clock_, core::LogLevel::kOff};
    core::Metrics metrics_;
    matcher::Matcher matcher_{matcher::Matcher::Options{.background_thread = false}};
    BlockMatcher block_matcher_{matcher_.register_reader()};
    RegistrySnapshotRef registry_;
    Jobs jobs_;
    std::unique_ptr<ReplayRunner> runner_;
    std::map<store::DeliveryKey, int> made_;
};

TEST_F(ReplayRunnerTest, WhatAnEarlierProcessDidIsNotDoneAgain) {
    put_blocks(kZero, 100, 1);
    put_blocks(kOne, 3, 50);
    start_runner();
    begin();
    // Twice in a row, in the middle of blocks; no time passes, so that no place is on record.
    deliver(turn());
    deliver(turn(), {.items = 0});
    die_and_start();
    for (int i = 0; i < 6; ++i) deliver(turn());
    deliver(turn(), {.items = 7});
    die_and_start();
    deliver(turn());
    run_to_the_end();
    expect_each_once(250);
    const ReplayProgress end = progress();
    EXPECT_EQ(end.scanned, 250u);
    EXPECT_EQ(end.matched, 250u);
    EXPECT_EQ(end.delivered, 250u);
    EXPECT_EQ(end.failed, 0u);
}

TEST_F(ReplayRunnerTest, WhatIsAskedForAgainUnderItsIdIsNotBegunTwice) {
    put_blocks(kZero, 1, 10);
    start_runner();
    const auto ask = [&](const std::string& document, core::TenantId tenant = {}) {
        ReplaySpec spec;
        spec.tenant = tenant;
        spec.id = kId;
        spec.created_at_us = 77;
        spec.to_us = clock_.wall_us() + 1;
        spec.subscriptions = {kSubscription};
        spec.document = document;
        return runner_->start(std::move(spec), kId);
    };
    ASSERT_TRUE(ask("{}"));
    ASSERT_TRUE(ask("{}"));
    run_to_the_end();
    ASSERT_TRUE(ask("{}"));
    die_and_start();
    ASSERT_TRUE(ask("{}"));
    EXPECT_TRUE(turn().empty());
    expect_each_once(10);
    EXPECT_EQ(progress().created_at_us, 77);
    EXPECT_EQ(ask(R"({"pace":1})").error().code, core::ErrorCode::kConflict);
    EXPECT_EQ(ask("{}", core::TenantId(9)).error().code, core::ErrorCode::kConflict);
}

TEST_F(ReplayRunnerTest, WhatFailedOrWasPutOffGoesOnByItself) {
    put_blocks(kZero, 1, 30);
    put_blocks(kOne, 1, 20);
    start_runner();
    begin();
    deliver(turn(), {.status = store::DeliveryStatus::kRetrying});
    ASSERT_EQ(made_.size(), 50u);
    die_and_start();
    run_to_the_end();
    expect_each_once(50);
    EXPECT_EQ(progress().failed, 50u);
    EXPECT_EQ(progress().delivered, 0u);
}

TEST_F(ReplayRunnerTest, OneThatWasPutOffIsNeitherDeliveredNorFailed) {
    put_blocks(kZero, 1, 30);
    start_runner();
    begin();
    deliver(turn(), {.status = store::DeliveryStatus::kRetrying, .attempt = 0});
    die_and_start();
    run_to_the_end();
    expect_each_once(30);
    EXPECT_EQ(progress().matched, 30u);
    EXPECT_EQ(progress().delivered + progress().failed, 0u);
}

TEST_F(ReplayRunnerTest, AnotherReplaysOutcomesAreNotItsOwn) {
    put_blocks(kZero, 1, 10);
    start_runner();
    begin();
    Jobs jobs = turn();
    for (const auto& job : jobs) job->replay_id = "rp_2";
    deliver(std::move(jobs), {.items = 10});
    made_.clear();
    die_and_start();
    run_to_the_end();
    expect_each_once(10);
}

TEST_F(ReplayRunnerTest, APacedOneGoesOnInTheMiddleOfABlock) {
    put_blocks(kZero, 1, 100);
    start_runner();
    ReplaySpec spec;
    spec.pace = ReplayPace::kPerSecond;
    spec.events_per_second = 1000;
    begin(std::move(spec));
    deliver(turn());
    for (int i = 0; i < 4; ++i) {
        clock_.advance_us(10'000);
        deliver(turn());
    }
    EXPECT_GE(made_.size(), 40u);
    EXPECT_LE(made_.size(), 45u);
    EXPECT_EQ(progress().delivered, made_.size());
    die_and_start();
    deliver(turn());
    EXPECT_LE(made_.size(), 46u) << "the pace begins anew";
    run_to_the_end();
    expect_each_once(100);
    EXPECT_EQ(progress().delivered, 100u);
}

TEST_F(ReplayRunnerTest, ARangeOfTheLogGoesOnAfterAStartLikeARangeOfTime) {
    put_blocks(kZero, 3, 10);
    put_blocks(kOne, 2, 10);
    start_runner();
    ReplaySpec spec;
    spec.ranges = {{core::LogOffset(5), core::LogOffset(25)},
                   {core::LogOffset(8), core::LogOffset(1000)}};
    begin(std::move(spec));
    const std::string range = R"([{"shard":0,"from":5,"to":25},{"shard":1,"from":8,"to":20}])";
    EXPECT_EQ(progress().range, range);
    deliver(turn(), {.items = 3});
    die_and_start();
    EXPECT_EQ(progress().range, range);
    run_to_the_end();
    expect_each_once(32);
    EXPECT_EQ(progress().range, range);
    for (const auto& [delivery, times] : made_)
        EXPECT_GE(delivery.position.offset.value, delivery.position.shard == kZero ? 5u : 8u);
}

TEST_F(ReplayRunnerTest, WhatCameAfterTheEventsWereCountedIsNotInIt) {
    put_blocks(kZero, 1, 10);
    put_blocks(kOne, 1, 10);
    start_runner();
    ReplaySpec spec;
    spec.counted_to = {core::LogOffset(10), core::LogOffset(10)};
    put_blocks(kZero, 2, 10);
    put_blocks(kOne, 1, 5);
    begin(std::move(spec));
    EXPECT_EQ(progress().range, R"([{"shard":0,"from":0,"to":10},{"shard":1,"from":0,"to":10}])");
    deliver(turn(), {.items = 3});
    die_and_start();
    run_to_the_end();
    expect_each_once(20);
}

TEST_F(ReplayRunnerTest, OneForASubscriptionThatDoesNotReadWaits) {
    put_blocks(kZero, 2, 10);
    start_runner();
    begin();
    const RegistrySnapshotRef whole = registry_;
    auto damaged = std::make_shared<RegistrySnapshot>();
    damaged->set_aside = {kSubscription};
    registry_ = damaged;
    EXPECT_TRUE(turn(10).empty());
    EXPECT_EQ(progress().status, "running");
    registry_ = whole;
    run_to_the_end();
    expect_each_once(20);
}

TEST_F(ReplayRunnerTest, OnesBeyondTheNewestLeaveTheRecord) {
    constexpr std::size_t kMax = ReplayHistory::kFinishedMax;
    store::RowBatch rows;
    for (std::size_t i = 0; i < kMax; ++i) {
        ReplayState ended;
        ended.progress.id = "rp_" + std::to_string(10'000 + i);
        ended.progress.status = "completed";
        ended.progress.created_at_us = static_cast<std::int64_t>(i);
        rows.put_registry(kReplayKind, ended.progress.id, 1, 0, replay_document(ended));
    }
    ASSERT_TRUE(database_->write_now(rows));
    start_runner();
    for (std::size_t i = kMax; i < kMax + 3; ++i) {
        ReplaySpec spec;
        spec.subscriptions = {kSubscription};
        ASSERT_TRUE(runner_->start(std::move(spec), "rp_" + std::to_string(10'000 + i)));
        clock_.advance_us(1);
        turn(2);
    }
    EXPECT_EQ(database_->registry().load_all(kReplayKind)->size(), kMax);
    EXPECT_FALSE(runner_->progress({}, "rp_10002"));
    EXPECT_TRUE(runner_->progress({}, "rp_10003"));
    const auto page = runner_->list({}, "", 2);
    ASSERT_TRUE(page && page->replays.size() == 2);
    EXPECT_EQ(page->replays[0].id, "rp_" + std::to_string(10'000 + kMax + 2));
    start_runner();
    EXPECT_EQ(runner_->list({}, page->next, 5000)->replays.size(), kMax - 2);
}

TEST_F(ReplayRunnerTest, WhoseEventsItIsForIsOnRecord) {
    ReplayState state;
    state.progress.id = kId;
    state.progress.status = "running";
    state.spec.criteria.pattern = "a.b";
    auto read = parse_replay_document(replay_document(state));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->spec.criteria.within.empty());
    state.spec.criteria.within = {"a.*", R"(b\*)"};
    read = parse_replay_document(replay_document(state));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->spec.criteria.within, state.spec.criteria.within);
}

TEST_F(ReplayRunnerTest, SmallBlocksAreUnderWayTogether) {
    put_blocks(kZero, 100, 1);
    start_runner();
    begin();
    Jobs jobs = turn(10);
    EXPECT_GE(jobs.size(), 16u);
    EXPECT_LE(jobs.size(), 32u);
    deliver(std::move(jobs));
    run_to_the_end();
    expect_each_once(100);
}

TEST_F(ReplayRunnerTest, ALargeBlockIsUnderWayAlone) {
    put_blocks(kZero, 3, 1500);
    start_runner();
    begin();
    const auto deliveries = [](const Jobs& jobs) {
        std::size_t count = 0;
        for (const auto& job : jobs) count += job->items.size();
        return count;
    };
    Jobs jobs = turn(10);
    EXPECT_EQ(deliveries(jobs), 1500u);
    deliver(std::move(jobs));
    EXPECT_EQ(deliveries(turn(10)), 1500u);
}

TEST_F(ReplayRunnerTest, NothingIsBegunThatTheRecordDoesNotAllow) {
    put_blocks(kZero, 4, 2000);
    start_runner();
    begin();
    std::size_t seen = 0;
    while (progress().status == "running") {
        Jobs jobs = turn();
        const auto document = database_->registry().get(kReplayKind, kId);
        ASSERT_TRUE(document && *document);
        const auto state = parse_replay_document((*document)->json);
        ASSERT_TRUE(state);
        for (const auto& job : jobs) {
            ++seen;
            EXPECT_LE(job->block.end_offset(), state->begun[0]);
        }
        deliver(std::move(jobs));
    }
    EXPECT_GE(seen, 4u);
    expect_each_once(8000);
}

TEST_F(ReplayRunnerTest, RetentionLeavesWhatIsBehindThePlaceOnRecord) {
    put_blocks(kZero, 100, 1);
    start_runner();
    begin();
    deliver(turn());
    Jobs jobs = turn();
    EXPECT_EQ(runner_->floors()[0], core::LogOffset(0)) << "its outcomes may be asked for";
    clock_.advance_us(1'000'000);
    deliver(std::move(jobs));
    turn();
    EXPECT_GE(runner_->floors()[0], core::LogOffset(32));
}

TEST_F(ReplayRunnerTest, ACancelledOneEndsWithWhatWasUnderWay) {
    put_blocks(kZero, 1, 100);
    start_runner();
    ReplaySpec spec;
    spec.pace = ReplayPace::kPerSecond;
    spec.events_per_second = 1000;
    begin(std::move(spec));
    turn();
    clock_.advance_us(30'000);
    Jobs jobs = turn();
    ASSERT_TRUE(runner_->cancel({}, kId));
    EXPECT_TRUE(turn(3).empty());
    EXPECT_EQ(progress().status, "cancelled");
    deliver(std::move(jobs));
    EXPECT_TRUE(turn(3).empty());
    EXPECT_EQ(progress().status, "cancelled");
    EXPECT_EQ(progress().delivered, made_.size());
    EXPECT_EQ(progress().position, R"([{"shard":0,"offset":0},{"shard":1,"offset":0}])");
}

}  // namespace
}  // namespace millrace::runtime
