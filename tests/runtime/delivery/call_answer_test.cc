// Goal: a call of an endpoint that has changed nothing, and read nothing that may not be durable,
// is answered when it has run; any other one when its commit is durable. What was answered ahead is
// bounded, and is on record all the same, in memory and then on disk, as long as it is kept.
// Method: a real lane over a store in a temporary folder; an executor that does what the test says;
// the shard is a fake that keeps the lane's results.
#include "core/log.h"
#include "runtime/delivery/lane.h"
#include "runtime/delivery/run_history.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::uint32_t kScriptNumber = 7;
constexpr std::string_view kRecord = R"(0 {"scriptId":"s","status":"completed"})";

struct ResultKeeper final : ResultPort {
    std::vector<std::unique_ptr<LaneResult>> results;
    bool take_result(std::uint32_t, std::unique_ptr<LaneResult>& result) override {
        results.push_back(std::move(result));
        return true;
    }
};

using Act = std::function<void(const AttemptInput&, AttemptResult&)>;

class ActingExecutor final : public Executor {
public:
    explicit ActingExecutor(const Act& act) : act_(act) {}
    Start start(const AttemptInput& input, AttemptResult& result) override {
        result.outcome = AttemptOutcome::kOk;
        result.outcome_text = "completed";
        result.result_json = "true";
        if (act_) act_(input, result);
        return Start::kDone;
    }

private:
    const Act& act_;
};

class CallAnswerTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        auto snapshot = std::make_shared<RegistrySnapshot>();
        auto script = std::make_shared<Script>();
        script->number = ScriptNumber(kScriptNumber);
        script->id = "s";
        snapshot->scripts.set(kScriptNumber, script);
        registry_ = snapshot;
        Lane::Deps deps;
        deps.run.clock = &clock_;
        deps.run.hasher = &database_->hasher();
        deps.run.kv = &database_->kv();
        deps.run.pools = &database_->pools();
        deps.run.metrics = &metrics_;
        deps.make_executors = [this](AnswerPort&) {
            ExecutorSet set;
            set[static_cast<std::size_t>(ExecutorType::kScript)] =
                std::make_unique<ActingExecutor>(act_);
            return set;
        };
        deps.registry = [this] { return registry_; };
        deps.registry_version = [this] { return registry_->version; };
        deps.results = {&keeper_};
        deps.calls = &calls_;
        lane_ = std::make_unique<Lane>(std::move(deps));
        history_ = std::make_unique<RunHistory>(*database_);
    }
    void TearDown() override {
        keeper_.results.clear();
        lane_.reset();
        history_.reset();
        store::test::StoreTest::TearDown();
    }

    void submit(const std::function<void(ScriptRunJob&)>& adjust = {}) {
        auto job = std::make_unique<LaneJob>();
        job->kind = JobKind::kScriptRun;
        job->items.push_back({});
        job->run = std::make_unique<ScriptRunJob>();
        job->run->script_number = kScriptNumber;
        job->run->execution_id = "xr_" + std::to_string(next_++);
        job->run->endpoint.emplace();
        job->run->done = [this](ScriptRunResult&& result) { told_.push_back(std::move(result)); };
        job->run->goes_ahead = [this](std::size_t bytes) { return history_->take_room(bytes); };
        if (adjust) adjust(*job->run);
        ASSERT_TRUE(calls_.submit(job, 0));
        while (lane_->do_work() != 0) {
        }
    }
    // As a shard does when the unit is on the disk.
    void commit() {
        for (auto& result : keeper_.results) {
            for (auto& callback : result->when_durable) callback();
        }
        keeper_.results.clear();
    }
    // One that is told when it is durable, and not before.
    void expect_waits(std::string_view what) {
        EXPECT_TRUE(told_.empty()) << what;
        commit();
        ASSERT_EQ(told_.size(), 1u) << what;
        EXPECT_TRUE(told_[0].record.empty()) << what;
        told_.clear();
    }
    // As the engine does, on the lane's thread.
    void tell(ScriptRunResult& result) {
        RunSummary run;
        run.id = result.execution_id;
        history_->add_ahead(std::move(run), std::move(result.record));
    }
    static RunSummary summary(std::size_t i) {
        RunSummary run;
        run.id = RunHistory::make_id(static_cast<std::int64_t>(i) + 1, i);
        return run;
    }
    std::size_t rows_kept() const { return database_->registry().load_all(kRunKind)->size(); }
    std::size_t rows_written() const {
        std::size_t count = 0;
        for (const auto& result : keeper_.results) {
            store::RowBatch::OpView op;
            for (std::size_t at = 0; result->rows.next(at, op);) ++count;
        }
        return count;
    }

    core::Metrics metrics_;
    RegistrySnapshotRef registry_;
    ResultKeeper keeper_;
    CallQueue calls_{2, clock_};
    Act act_;
    std::unique_ptr<Lane> lane_;
    std::vector<ScriptRunResult> told_;
    std::unique_ptr<RunHistory> history_;
    int next_ = 1;
};

TEST_F(CallAnswerTest, OneThatChangesNothingIsToldAtOnceAndRecordedLater) {
    submit();
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_EQ(told_[0].answer.body, "true");
    EXPECT_NE(told_[0].record.find(R"("id":"xr_1")"), std::string::npos);
    EXPECT_EQ(rows_written(), 0u) << "whoever is told writes it";
    EXPECT_EQ(calls_.runs_of({}), 0u);
    commit();
    EXPECT_EQ(told_.size(), 1u);
}

TEST_F(CallAnswerTest, WhateverHasAnEffectOrSeesOneWaits) {
    const std::map<std::string, Act> acts = {
        {"kv",
         [](const AttemptInput&, AttemptResult& result) {
             KvOp op;
             op.key = std::string_view("\0k", 2);
             op.value_json = "1";
             result.effects.kv_ops.push_back(op);
         }},
        {"emit",
         [](const AttemptInput&, AttemptResult& result) {
             EmittedEvent event;
             event.envelope = "{\"pattern\":\"x\"}\n";
             result.effects.emitted.push_back(event);
         }},
        {"subscribe",
         [](const AttemptInput&, AttemptResult& result) {
             result.effects.subscriptions.emplace_back(R"({"pattern":"x"})");
         }},
        {"read",
         [](const AttemptInput& input, AttemptResult&) {
             std::string value;
             input.host->kv_get(KvSpace::kKv, std::string_view("\0k", 2), value);
         }},
        {"failed", [](const AttemptInput&, AttemptResult& result) { result.fail("no"); }},
    };
    for (const auto& [what, act] : acts) {
        act_ = act;
        submit();
        expect_waits(what);
    }
    act_ = nullptr;
    submit([](ScriptRunJob& run) { run.endpoint->answer_id = "kept"; });
    expect_waits("an answer that is kept");
    submit([](ScriptRunJob& run) {
        run.endpoint.reset();
        run.goes_ahead = nullptr;
    });
    expect_waits("a run that is no endpoint's");
}

TEST_F(CallAnswerTest, WhatIsToldAheadIsBounded) {
    act_ = [](const AttemptInput&, AttemptResult& result) {
        result.logs_json = "[\"" + std::string(1u << 20, 'x') + "\"]";
    };
    for (int i = 0; i < 20; ++i) submit();
    EXPECT_EQ(told_.size(), 15u) << "of records of more than 1 MiB, with 16 MiB in all";
    EXPECT_EQ(rows_written(), 5u) << "those that wait";
    commit();
    EXPECT_EQ(told_.size(), 20u);
    for (std::size_t i = 0; i < 15; ++i) tell(told_[i]);
    history_->store_all();
    submit();
    EXPECT_EQ(told_.size(), 21u) << "there is room again";
}

TEST_F(CallAnswerTest, TheRecordIsReadWhereverItIs) {
    submit();
    tell(told_[0]);
    history_->take_in();
    ASSERT_EQ(history_->runs().size(), 1u);
    const auto ahead = history_->document({}, "xr_1");
    ASSERT_TRUE(ahead);
    EXPECT_NE(ahead->find("\"xr_1\""), std::string::npos);
    EXPECT_TRUE(history_->document(core::TenantId(9), "xr_1")->empty()) << "another tenant's";
    EXPECT_EQ(rows_kept(), 0u);
    EXPECT_EQ(history_->do_work(1), 1u);
    EXPECT_EQ(rows_kept(), 1u);
    EXPECT_EQ(*history_->document({}, "xr_1"), *ahead) << "from the store now";
    ASSERT_TRUE(database_->write_now([] {
        store::RowBatch rows;
        rows.erase_registry(kRunKind, "xr_1");
        return rows;
    }()));
    EXPECT_TRUE(history_->document({}, "xr_1")->empty()) << "and from nowhere else";
}

// Of more calls than are kept, those that are too old when it is their turn are never written.
TEST_F(CallAnswerTest, OnlyThoseThatAreKeptAreWritten) {
    constexpr std::size_t kMany = kRunsKeptMax + 3'000;
    for (std::size_t i = 0; i < kMany; ++i) {
        ASSERT_TRUE(history_->take_room(kRecord.size()));
        history_->add_ahead(summary(i), std::string(kRecord));
        if (i != 0) continue;
        EXPECT_EQ(history_->do_work(1), 1u);
    }
    EXPECT_EQ(rows_kept(), 1u);
    EXPECT_EQ(history_->do_work(2), 0u) << "it is not time yet";
    EXPECT_EQ(history_->runs().size(), kRunsKeptMax);
    EXPECT_EQ(history_->do_work(1 + RunHistory::kWriteNs), 1u);
    EXPECT_EQ(rows_kept(), RunHistory::kRowsAtOnce) << "and the one that was there is gone";
    EXPECT_TRUE(history_->document({}, summary(0).id)->empty());
    history_->store_all();
    EXPECT_EQ(rows_kept(), kRunsKeptMax);
    RunHistory again(*database_);
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    ASSERT_TRUE(again.load(aside));
    EXPECT_EQ(again.runs().size(), kRunsKeptMax);
    EXPECT_EQ(again.runs().back().id, summary(kMany - 1).id);
}

// As after a time in which rows stayed that nobody knew of any more.
TEST_F(CallAnswerTest, RowsThatAreTooManyLeaveAfterAStart) {
    store::RowBatch rows;
    for (std::size_t i = 0; i < kRunsKeptMax + 500; ++i)
        rows.put_registry(kRunKind, summary(i).id, 1, 1, kRecord);
    ASSERT_TRUE(database_->write_now(rows));
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    ASSERT_TRUE(history_->load(aside));
    for (std::int64_t now_ns = 1; history_->do_work(now_ns) != 0;) now_ns += RunHistory::kWriteNs;
    EXPECT_EQ(rows_kept(), kRunsKeptMax);
}

}  // namespace
}  // namespace millrace::runtime
