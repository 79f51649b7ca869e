// Goal: each due time of a schedule is an event and a line of the ledger in one result, or a line
// that says why not. Method: a real registry and store, a clock that is moved by hand, and a shard
// that only keeps what it gets.
#include "runtime/scheduler/scheduler.h"

#include "core/json_reader.h"
#include "core/timestamp.h"
#include "runtime/registry/registry.h"
#include "store/rows/registry_store.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{3};
constexpr std::int64_t kSecondUs = 1'000'000;

class SchedulerTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        registry_ = *Registry::open(rows_, clock_, random_, {});
        start();
    }
    void start() {
        Scheduler::Deps deps;
        deps.clock = &clock_;
        deps.database = database_.get();
        deps.registry = [this] { return registry_->snapshot(); };
        deps.shards = kShards;
        deps.submit = [this](core::ShardId, std::unique_ptr<LaneResult>& result) {
            if (full_) return false;
            most_bytes_ = std::max(most_bytes_, result->emitted ? result->emitted.size() : 0);
            emitted_ += result->emitted ? result->emitted.view() : std::string_view();
            EXPECT_TRUE(database_->write_now(result->rows));
            for (auto& done : result->when_durable) done();
            result.reset();
            return true;
        };
        deps.wanted_by = [this](const store::StoredEvent&, const RegistrySnapshot&,
                                std::vector<core::SubscriptionId>& out) { out = wanted_; };
        deps.holds = [this] { return holds_; };
        deps.pause = [](const ScheduleRef&, const std::string&) {};
        scheduler_ = std::make_unique<Scheduler>(std::move(deps));
        core::Log log(clock_, core::LogLevel::kOff);
        SetAside aside(log);
        ASSERT_TRUE(scheduler_->load(aside));
    }
    ScheduleRef create(const std::string& members, const std::string& payload = "{}") {
        auto made = registry_->table<Schedule>().create(
            {.tenant = kTenant},
            R"({"event":{"pattern":"due","payload":)" + payload + "}," + members + "}");
        EXPECT_TRUE(made) << made.error().message;
        scheduler_->changed(*made);
        work();
        return made->after;
    }
    ScheduleRef patch(const ScheduleRef& schedule, const std::string& body) {
        auto made = registry_->table<Schedule>().patch({.tenant = kTenant}, schedule->id, body);
        EXPECT_TRUE(made) << made.error().message;
        scheduler_->changed(*made);
        work();
        return made->after;
    }
    void work() {
        while (scheduler_->do_work() != 0) {
        }
    }
    void pass(std::int64_t us) {
        clock_.advance_us(us);
        work();
    }
    std::size_t events() {
        return static_cast<std::size_t>(std::count(emitted_.begin(), emitted_.end(), '\n'));
    }
    // "fired", "skipped paused", ...: newest first.
    std::vector<std::string> ledger(const ScheduleRef& schedule) {
        auto rows = database_->registry().list(
            kScheduleLedgerKind, ledger_prefix(kTenant, schedule->number.value), {}, 2000);
        EXPECT_TRUE(rows);
        std::vector<std::string> out;
        for (const auto& row : *rows) {
            core::JsonDocument document;
            auto in = document.parse_object(row.json);
            std::string status, rule;
            in->text("status", status);
            in->text("rule", rule);
            out.push_back(rule.empty() ? status : status + " " + rule);
        }
        return out;
    }
    using Lines = std::vector<std::string>;

    MemoryRegistryRows rows_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
    std::unique_ptr<Scheduler> scheduler_;
    std::string emitted_;
    std::vector<core::SubscriptionId> wanted_;
    std::size_t most_bytes_ = 0;  // of one result
    bool full_ = false, holds_ = false;
};

TEST_F(SchedulerTest, FiresOnTheGridAndWritesItDown) {
    const auto schedule = create(R"("intervalMs":1000,"overlap":"allow")");
    pass(kSecondUs - 1);
    EXPECT_EQ(events(), 0u);
    pass(1);
    pass(kSecondUs * 3 / 2);
    EXPECT_EQ(events(), 2u);
    EXPECT_EQ(ledger(schedule), (Lines{"fired", "fired"}));
    EXPECT_EQ(scheduler_->look(schedule->number)->due_us, schedule->created_at_us + 3 * kSecondUs);
}

TEST_F(SchedulerTest, GoesOnAfterAStartWhereItStood) {
    const auto schedule = create(R"("intervalMs":1000,"overlap":"allow")");
    pass(kSecondUs);
    start();
    work();
    EXPECT_EQ(events(), 1u);
    pass(kSecondUs);
    EXPECT_EQ(ledger(schedule), (Lines{"fired", "fired"}));
}

// A backlog that other deliveries have is none of its business.
TEST_F(SchedulerTest, FiresRightAfterAStartWhateverIsStillToBeDelivered) {
    const auto schedule = create(R"("intervalMs":60000)");
    put(kZero, {.id = "e1"});
    put(kOne, {.id = "e2"});
    start();
    pass(60 * kSecondUs);
    EXPECT_EQ(ledger(schedule), (Lines{"fired"}));
}

TEST_F(SchedulerTest, KeepsAStartThatACrashFollowsAtOnce) {
    const auto schedule = create(R"("cron":"@reboot")");
    start();
    EXPECT_EQ(events(), 0u);  // the process ends here
    pass(kSecondUs);
    start();
    work();
    EXPECT_EQ(
        scheduler_->look(schedule->number)->fired + scheduler_->look(schedule->number)->skipped,
        2u);
}

TEST_F(SchedulerTest, MakesUpForWhatWasMissedByItsRule) {
    const auto one = create(R"("intervalMs":60000,"overlap":"allow")");
    const auto none = create(R"("intervalMs":60000,"catchUp":{"mode":"none"})");
    clock_.step_wall_us(5 * 60 * kSecondUs + 30 * kSecondUs);
    work();
    EXPECT_EQ(ledger(one), (Lines{"fired catchUp:one", "skipped catchUp:one"}));
    EXPECT_EQ(ledger(none), (Lines{"skipped catchUp:none"}));
    EXPECT_EQ(scheduler_->look(one->number)->skipped, 4u);
    EXPECT_NE(emitted_.find(R"("late":true)"), std::string::npos);
}

TEST_F(SchedulerTest, MakesUpForManyLargeOnesInSeveralTurns) {
    const auto schedule =
        create(R"("intervalMs":60000,"overlap":"allow","catchUp":{"mode":"all","max":500})",
               R"({"s":")" + std::string(60'000, 'x') + R"("})");
    clock_.step_wall_us(1'000 * 60 * kSecondUs + 30 * kSecondUs);
    work();
    EXPECT_EQ(events(), 500u);
    EXPECT_LE(most_bytes_, 8u << 20);
    Lines lines = ledger(schedule);
    ASSERT_EQ(lines.size(), 501u);
    EXPECT_EQ(lines.back(), "skipped catchUp:all");
    lines.pop_back();
    EXPECT_EQ(lines, Lines(500, "fired catchUp:all"));
    EXPECT_EQ(scheduler_->look(schedule->number)->due_us,
              schedule->created_at_us + 1'001 * 60 * kSecondUs);
}

TEST_F(SchedulerTest, DoesNothingTwiceWhenTheClockGoesBack) {
    const auto schedule = create(R"("intervalMs":60000,"overlap":"allow")");
    pass(60 * kSecondUs);
    clock_.step_wall_us(-3600 * kSecondUs);
    work();
    pass(3600 * kSecondUs);
    EXPECT_EQ(ledger(schedule), (Lines{"fired"}));
    pass(60 * kSecondUs);
    EXPECT_EQ(events(), 2u);
}

TEST_F(SchedulerTest, OnceStaysOnceWhenItIsChangedBeforeItsTimeByAClockThatWentBack) {
    const auto schedule = create(R"("type":"once","overlap":"allow","at":")" +
                                 core::format_timestamp(clock_.wall_us() + 5 * kSecondUs) + "\"");
    pass(5 * kSecondUs);
    EXPECT_EQ(events(), 1u);
    clock_.step_wall_us(-3600 * kSecondUs);
    patch(schedule, R"({"name":"other"})");
    EXPECT_EQ(scheduler_->look(schedule->number)->due_us, 0);
    pass(2 * 3600 * kSecondUs);
    EXPECT_EQ(ledger(schedule), (Lines{"fired"}));
    // Another time is another one.
    patch(schedule, R"({"at":")" + core::format_timestamp(clock_.wall_us() + kSecondUs) + "\"}");
    pass(kSecondUs);
    EXPECT_EQ(ledger(schedule), (Lines{"fired", "fired"}));
}

TEST_F(SchedulerTest, PassesOverWhileARunIsNotOver) {
    const auto schedule = create(R"("intervalMs":1000)");
    const auto queue = create(R"("intervalMs":1000,"overlap":"queue1")");
    pass(kSecondUs);
    pass(kSecondUs);
    pass(kSecondUs);
    EXPECT_EQ(ledger(schedule), (Lines{"skipped overlap:skip", "skipped overlap:skip", "fired"}));
    EXPECT_EQ(ledger(queue), (Lines{"skipped overlap:queue1", "fired"}));
}

TEST_F(SchedulerTest, KeepsWhatIsOverdueWhenItIsChanged) {
    const auto schedule = create(R"("intervalMs":60000,"overlap":"allow")");
    holds_ = true;
    pass(61 * kSecondUs);
    EXPECT_EQ(events(), 0u);
    patch(schedule, R"({"intervalMs":3600000})");
    holds_ = false;
    work();
    EXPECT_EQ(events(), 1u);
    // From its grid, which begins where it did.
    EXPECT_GT(scheduler_->look(schedule->number)->due_us, clock_.wall_us() + 3000 * kSecondUs);
}

// The clock goes back between the document's change and the moment that the scheduler hears of it:
// from the registry, or at the start behind a crash.
TEST_F(SchedulerTest, KeepsWhatWasOverdueWhenItWasChangedByAClockThatWentBack) {
    const auto heard = create(R"("intervalMs":60000,"overlap":"allow")");
    const auto unheard = create(R"("intervalMs":60000,"overlap":"allow")");
    pass(60 * kSecondUs);
    const std::int64_t second_us = heard->created_at_us + 120 * kSecondUs;
    clock_.advance_us(65 * kSecondUs);
    const auto rename = [&](const ScheduleRef& schedule) {
        return registry_->table<Schedule>().patch({.tenant = kTenant}, schedule->id,
                                                  R"({"name":"other"})");
    };
    const auto renamed = rename(heard);
    ASSERT_TRUE(renamed);
    ASSERT_TRUE(rename(unheard));
    clock_.step_wall_us(-3600 * kSecondUs);
    scheduler_->changed(*renamed);
    work();
    EXPECT_EQ(scheduler_->look(heard->number)->due_us, second_us);
    start();
    work();
    EXPECT_EQ(scheduler_->look(unheard->number)->due_us, second_us);
    pass(3600 * kSecondUs);
    EXPECT_EQ(ledger(heard), (Lines{"fired", "fired"}));
    EXPECT_EQ(ledger(unheard), (Lines{"fired", "fired"}));
}

TEST_F(SchedulerTest, EndsAfterItsRunsAndForgetsWhatWasRemoved) {
    const auto schedule = create(R"("intervalMs":1000,"overlap":"allow","maxRuns":2)");
    for (int i = 0; i < 5; ++i) pass(kSecondUs);
    EXPECT_EQ(events(), 2u);
    EXPECT_EQ(scheduler_->look(schedule->number)->due_us, 0);
    auto gone = registry_->table<Schedule>().remove({.tenant = kTenant}, schedule->id);
    scheduler_->changed(*gone);
    work();
    EXPECT_TRUE(ledger(schedule).empty());
    EXPECT_TRUE(database_->registry().load_all(kScheduleStateKind)->empty());
}

TEST_F(SchedulerTest, KeepsItsResultWhenAShardIsFull) {
    const auto schedule = create(R"("intervalMs":1000,"overlap":"allow")");
    full_ = true;
    pass(kSecondUs);
    pass(kSecondUs);
    EXPECT_EQ(events(), 0u);
    full_ = false;
    work();
    EXPECT_EQ(ledger(schedule), (Lines{"fired", "fired"}));
}

TEST_F(SchedulerTest, SpreadsWhatIsDueAtOnceAndStaysBelowTheGap) {
    for (int i = 0; i < 50; ++i) create(R"("cron":"* * * * * *","jitterMs":86400000)");
    const std::int64_t begun_us = clock_.wall_us();
    pass(kSecondUs - begun_us % kSecondUs);
    const std::size_t at_once = events();
    pass(kSecondUs - 1);
    EXPECT_LT(at_once, 5u);
    EXPECT_EQ(events(), 50u);
}

TEST_F(SchedulerTest, BackfillsWhateverItsOwnRuleSays) {
    const auto schedule = create(R"("cron":"0 * * * *")");
    bool taken = false;
    const std::int64_t day_us = clock_.wall_us() - 24 * 3600 * kSecondUs;
    scheduler_->backfill(
        schedule, {.after_us = day_us, .to_us = day_us + 3 * 3600 * kSecondUs},
        [](store::RowBatch& rows) { rows.put_registry("told", "beside", 1, 0, "{}"); },
        [&](core::Status&& status) {
            taken = status.has_value();
            EXPECT_TRUE(*database_->registry().get("told", "beside")) << "in the same commit";
        });
    work();
    pass(200'000);
    EXPECT_TRUE(taken);
    EXPECT_EQ(ledger(schedule), (Lines{"fired backfill", "fired backfill", "fired backfill"}));
}

}  // namespace
}  // namespace millrace::runtime
