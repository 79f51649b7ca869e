// Goal: rules for patterns and tenants let the right events go out of blocks that stay, and nothing
// else: what stays is byte for byte as it came, offsets, chain and checks hold, over restarts.
#include "store/retention/thinner.h"

#include "store/engine.h"
#include "store/log/event_search.h"
#include "store/retention/let_go.h"
#include "store/retention/retention.h"
#include "store/rows/dead_letters.h"
#include "store/verify.h"
#include "tests/store/store_fixture.h"

#include <functional>
#include <map>

namespace millrace::store::test {
namespace {

constexpr std::int64_t kStep = 1'000'000;  // between blocks

class ThinnerTest : public StoreTest {
protected:
    // Ten blocks of ten, a second apart; patterns take turns within a block.
    void SetUp() override {
        open();
        for (int block = 0; block < 10; ++block) {
            for (int i = 0; i < 10; ++i) {
                TestEvent event;
                event.id = std::to_string(block * 10 + i);
                event.pattern =
                    i % 2 == 0 ? "debug.x" : (i % 5 == 0 ? "audit.login" : "order.made");
                event.tenant = core::TenantId{i == 9 ? 7u : 0u};
                event.body = std::string(200, static_cast<char>('a' + i));
                texts_[event.id] = event.text();
                append(kZero, event);
            }
            RowBatch rows;
            rows.put_cursor("deliveries", {kZero, core::LogOffset{offset(block * 10 + 10)}});
            commit(kZero, std::move(rows));
            clock_.advance_us(kStep);
        }
    }
    static std::uint64_t offset(int n) { return static_cast<std::uint64_t>(n); }
    RetentionReport apply(std::string_view rules, RetentionRule rule = {}) {
        rule.rules = parse_event_rules(rules).value();
        rule.now_us = clock_.wall_us();
        auto report = apply_retention(*database_, rule, &thinner_);
        EXPECT_TRUE(report) << report.error().message;
        return report ? *report : RetentionReport{};
    }
    // Every way to an event says the same: there with its bytes, or not there.
    void expect_kept(const std::function<bool(int)>& kept) {
        std::map<std::string, std::string> found;
        auto page = database_->event_search().search({.limit = 1000});
        ASSERT_TRUE(page);
        for (const OwnedEvent& event : page->events)
            found[std::to_string(event.event.position.offset.value)] = event.event.raw;
        for (int n = 0; n < 100; ++n) {
            const std::string id = std::to_string(n);
            EXPECT_EQ(found.contains(id), kept(n)) << n;
            if (kept(n)) {
                EXPECT_EQ(found[id], texts_[id]) << n;
            }
            auto event = database_->log_reader().read_event({kZero, core::LogOffset{offset(n)}});
            ASSERT_TRUE(event);
            EXPECT_EQ(event->has_value(), kept(n)) << n;
            auto by_id = database_->log_reader().find(core::TenantId{n % 10 == 9 ? 7u : 0u}, id);
            ASSERT_TRUE(by_id);
            EXPECT_EQ(by_id->has_value(), kept(n)) << n;
        }
    }
    void expect_sound() {
        close();
        const auto report = verify(folder_.path());
        ASSERT_TRUE(report);
        EXPECT_TRUE(report->ok()) << report->problems.front();
        open();
        EXPECT_EQ(database_->durable_end(kZero).value, 100u);
    }
    Thinner thinner_;
    std::map<std::string, std::string> texts_;
};

TEST_F(ThinnerTest, APatternOfAShorterAgeGoesFirst) {
    // All of blocks 0 to 5 is older than four seconds and a half.
    const RetentionReport report = apply("debug.*=4500ms");
    EXPECT_EQ(report.events_dropped, 0u);
    EXPECT_EQ(report.events_thinned, 30u);
    EXPECT_GT(report.bytes_thinned, 30u * 200);
    EXPECT_FALSE(report.more);
    const auto kept = [](int n) { return n >= 60 || n % 2 != 0; };
    expect_kept(kept);
    expect_sound();
    expect_kept(kept);
    EXPECT_EQ(apply("debug.*=4500ms").events_thinned, 0u);
    clock_.advance_us(kStep);
    EXPECT_EQ(apply("debug.*=4500ms").events_thinned, 5u);
    expect_sound();
}

// Blocks came a second apart, the first at the clock's start.
TEST_F(ThinnerTest, UntilWhenEventsWentIsKeptForPatternsThatAreToldOf) {
    const std::int64_t first_us = clock_.wall_us() - 10 * kStep;
    const auto until = [&](std::string_view prefix, core::TenantId tenant = {}) {
        const auto us = let_go_until(*database_, tenant, prefix);
        return us ? (*us == 0 ? -1 : (*us - first_us) / kStep) : -2;
    };
    const RetentionRule told{.told_prefix = "debug."};
    EXPECT_EQ(until("debug."), -1);
    apply("debug.*=4500ms order.*=4500ms", told);
    EXPECT_EQ(until("debug."), 5);
    EXPECT_EQ(until("debug.x"), 5);
    EXPECT_EQ(until("debug.y"), -1);
    EXPECT_EQ(until("order."), -1) << "nobody asked for it";
    EXPECT_EQ(until("debug.", core::TenantId{9}), -1);
    reopen();
    EXPECT_EQ(until("debug."), 5);
    clock_.advance_us(kStep);
    apply("debug.*=4500ms", told);
    EXPECT_EQ(until("debug."), 6);
    apply("debug.*=9500ms", told);
    EXPECT_EQ(until("debug."), 6);
    // Whole blocks are everybody's.
    apply("", {.keep_received_after_us = first_us + 2 * kStep});
    EXPECT_EQ(database_->first_kept(kZero).value, 20u);
    EXPECT_EQ(until("order."), 1);
    EXPECT_EQ(until("debug."), 6);
    expect_sound();
}

TEST_F(ThinnerTest, AnIdCountsWhileItsEventIsKept) {
    apply("debug.*=4500ms");
    const auto expect_known = [&](const char* id, std::string_view at) {
        const AppendResult again = append(
            kZero, {.id = id, .tenant = core::TenantId{std::string_view(id) == "99" ? 7u : 0u}});
        EXPECT_EQ(again.status, AppendStatus::kDuplicate) << id;
        EXPECT_EQ(std::to_string(again.position.offset.value), at);
    };
    const auto expect_sound_still = [&](std::uint64_t end) {
        close();
        const auto report = verify(folder_.path());
        ASSERT_TRUE(report && report->ok());
        open();
        EXPECT_EQ(database_->durable_end(kZero).value, end);
    };
    const auto expect_places = [&] {
        for (const char* id : {"1", "57", "60", "99"}) expect_known(id, id);
        expect_known("0", "100");
        const auto found = database_->log_reader().find(core::TenantId{0}, "0");
        ASSERT_TRUE(found && *found);
        EXPECT_EQ((*found)->event.position.offset.value, 100u);
        const auto exact = database_->log_reader().find_identity(
            database_->hasher().identity({core::TenantId{0}, "external", "shop", "0"}));
        ASSERT_TRUE(exact && *exact);
        EXPECT_EQ((*exact)->offset.value, 100u);
    };
    // Gone ones come again, at once and after a start; the new one counts from then on.
    EXPECT_EQ(put(kZero, {.id = "0"}).position.offset.value, 100u);
    expect_places();
    expect_sound_still(101);
    expect_places();
    EXPECT_EQ(put(kZero, {.id = "58"}).position.offset.value, 101u);
    expect_known("58", "101");
    EXPECT_EQ(database_->log_reader().find(core::TenantId{0}, "2")->has_value(), false);
}

TEST_F(ThinnerTest, WhatIsThinnedAgainStaysGoneInPartAndWhole) {
    DeadLetter letter;
    letter.key = {core::TenantId{0}, 5, {{kZero, core::LogOffset{1}}, core::SubscriptionId{1}}};
    RowBatch rows;
    rows.put_dead_letter(letter, RowChange::kNew);
    ASSERT_TRUE(database_->write_now(rows));
    apply("debug.*=4500ms");
    apply("*=4500ms");  // the rest of blocks 0 to 5
    expect_kept([](int n) { return n >= 60 || n == 1; });
    EXPECT_EQ(database_->engine().ids.shard(kZero).gone().rows(), 2u) << "whole blocks are one";
    EXPECT_EQ(append(kZero, {.id = "1"}).position.offset.value, 1u);
    EXPECT_EQ(put(kZero, {.id = "3"}).position.offset.value, 100u);
    EXPECT_EQ(put(kZero, {.id = "12"}).position.offset.value, 101u);
    close();
    open();
    EXPECT_EQ(append(kZero, {.id = "3"}).position.offset.value, 100u);
    EXPECT_EQ(put(kZero, {.id = "4"}).position.offset.value, 102u);
    // Whole blocks that are dropped take their rows along.
    rows = RowBatch();
    rows.erase_dead_letter(letter.key);
    ASSERT_TRUE(database_->write_now(rows));
    RetentionRule rule;
    rule.keep_received_after_us = clock_.wall_us() - 4'500'000;
    EXPECT_EQ(apply("", rule).events_dropped, 60u);
    EXPECT_EQ(database_->engine().ids.shard(kZero).gone().rows(), 0u);
    close();
    open();
    EXPECT_EQ(database_->engine().ids.shard(kZero).gone().rows(), 0u);
    EXPECT_EQ(append(kZero, {.id = "3"}).position.offset.value, 100u);
    EXPECT_EQ(put(kZero, {.id = "1"}).position.offset.value, 103u);
}

// Tables become runs, runs are merged: which of them holds the older place does not matter.
TEST_F(ThinnerTest, AnIdThatCameAgainIsFoundThroughRunsAndMerges) {
    close();
    Database::Options small = options();
    small.id_table_entries_max = 4;
    open(small);
    housekeep();
    apply("debug.*=4500ms");
    std::map<std::string, std::uint64_t> places;
    for (int n = 0; n < 60; n += 2) {
        const std::string id = std::to_string(n);
        AppendResult again = put(kZero, {.id = id});
        ASSERT_EQ(again.status, AppendStatus::kAppended) << n;
        places[id] = again.position.offset.value;
        housekeep();
    }
    const auto expect_places = [&] {
        for (const auto& [id, place] : places) {
            const AppendResult again = append(kZero, {.id = id});
            EXPECT_EQ(again.status, AppendStatus::kDuplicate) << id;
            EXPECT_EQ(again.position.offset.value, place) << id;
            const auto found = database_->log_reader().find(core::TenantId{0}, id);
            ASSERT_TRUE(found && *found) << id;
            EXPECT_EQ((*found)->event.position.offset.value, place) << id;
        }
    };
    expect_places();
    close();
    open(small);
    expect_places();
    // Without any run all of it is read from the log.
    close();
    std::filesystem::remove_all(folder_.path() + "/ids");
    std::filesystem::create_directory(folder_.path() + "/ids");
    open(small);
    expect_places();
}

TEST_F(ThinnerTest, ARowOfGoneEventsThatDoesNotReadIsSetAside) {
    apply("debug.*=4500ms");
    rocksdb::WriteBatch batch;
    batch.Put(database_->engine().family(ColumnFamily::kDefault),
              gone_key({kZero, core::LogOffset{0}}), "nonsense");
    ASSERT_TRUE(database_->engine().commit(batch, Durability::kFsync));
    close();
    open();
    EXPECT_EQ(append(kZero, {.id = "0"}).status, AppendStatus::kDuplicate) << "counts on";
    EXPECT_EQ(append(kZero, {.id = "10"}).status, AppendStatus::kAppended);
    EXPECT_FALSE(database_->engine().quarantine.rows().empty());
}

TEST_F(ThinnerTest, ATenantHasRulesOfItsOwn) {
    EXPECT_EQ(apply("*@7=4500ms").events_thinned, 6u);
    const auto kept = [](int n) { return n >= 60 || n % 10 != 9; };
    expect_kept(kept);
    // The first rule that fits counts: of blocks 0 to 7 the orders of other tenants go, three each.
    EXPECT_EQ(apply("order.made@7=0 order.*=2500ms").events_thinned, 24u);
    expect_kept([](int n) {
        if (n % 10 == 9) return n >= 60;
        return n >= 80 || n % 2 == 0 || n % 10 == 5;
    });
    expect_sound();
}

TEST_F(ThinnerTest, ALongerRuleOutlivesTheLogsAge) {
    RetentionRule rule;
    rule.keep_received_after_us = clock_.wall_us() - 4'500'000;
    const RetentionReport report = apply("audit.*=0", rule);
    EXPECT_EQ(report.events_dropped, 0u);
    const auto kept = [](int n) { return n >= 60 || n % 10 == 5; };
    expect_kept(kept);
    expect_sound();
    expect_kept(kept);
    // Without the rule whole blocks go, those that were thinned too.
    EXPECT_EQ(apply("", rule).events_dropped, 60u);
    EXPECT_EQ(database_->first_kept(kZero).value, 60u);
    expect_sound();
}

TEST_F(ThinnerTest, OfARulesBytesTheOldestGo) {
    // Four blocks of five such events each fit.
    const std::uint64_t each = texts_["0"].size();
    apply("debug.*=0," + std::to_string(each * 20 + each / 2));
    expect_kept([](int n) { return n >= 60 || n % 2 != 0; });
    EXPECT_EQ(apply("debug.*=0," + std::to_string(each * 20 + each / 2)).events_thinned, 0u);
    expect_sound();
}

TEST_F(ThinnerTest, ARetryOrDeadLetterKeepsItsOwnEventOnly) {
    RowBatch rows;
    rows.put_retry(
        {.due_at_us = 9, .delivery = {{kZero, core::LogOffset{4}}, core::SubscriptionId{1}}});
    DeadLetter letter;
    letter.key = {core::TenantId{0}, 5, {{kZero, core::LogOffset{22}}, core::SubscriptionId{1}}};
    rows.put_dead_letter(letter, RowChange::kNew);
    ASSERT_TRUE(database_->write_now(rows));
    RetentionRule rule;
    rule.keep_received_after_us = clock_.wall_us() - 4'500'000;
    const RetentionReport report = apply("", rule);
    EXPECT_EQ(report.events_dropped, 0u);
    EXPECT_GT(report.events_held_back, 0u);
    EXPECT_EQ(report.events_thinned, 58u);
    const auto kept = [](int n) { return n >= 60 || n == 4 || n == 22; };
    expect_kept(kept);
    expect_sound();
    expect_kept(kept);
    RowBatch done;
    done.erase_retry(9, core::TenantId{0}, {{kZero, core::LogOffset{4}}, core::SubscriptionId{1}});
    ASSERT_TRUE(database_->write_now(done));
    EXPECT_EQ(apply("", rule).events_dropped, 20u);
    expect_kept([](int n) { return n >= 60 || n == 22; });
}

TEST_F(ThinnerTest, TheLogsBoundOfBytesTakesWhatSurroundsADeadLetter) {
    RowBatch rows;
    rows.put_retry(
        {.due_at_us = 9, .delivery = {{kZero, core::LogOffset{4}}, core::SubscriptionId{1}}});
    ASSERT_TRUE(database_->write_now(rows));
    RetentionRule rule;
    rule.keep_bytes_max = 1;
    EXPECT_EQ(apply("audit.*=0", rule).events_thinned, 89u);
    // The newest block carries the chain.
    expect_kept([](int n) { return n >= 90 || n == 4; });
    expect_sound();
}

TEST_F(ThinnerTest, SingleEventsThatSomebodyAsksForStay) {
    RetentionRule rule;
    rule.keep_bytes_max = 1;
    rule.events = [] {
        return std::vector<core::LogPosition>{{kZero, core::LogOffset{33}},
                                              {kZero, core::LogOffset{4}}};
    };
    apply("", rule);
    expect_kept([](int n) { return n >= 90 || n == 4 || n == 33; });
    expect_sound();
    rule.events = nullptr;
    EXPECT_EQ(apply("", rule).events_dropped, 90u);
}

TEST_F(ThinnerTest, WhatACursorOrReplayStillNeedsStays) {
    RetentionRule rule;
    rule.floors = [] { return std::vector{core::LogOffset{25}, core::LogOffset{0}}; };
    EXPECT_EQ(apply("debug.*=1ms", rule).events_thinned, 10u);
    expect_kept([](int n) { return n >= 20 || n % 2 != 0; });
}

TEST(EventRules, AreReadAndRefused) {
    const auto rules = parse_event_rules(" audit.*=365d; a.b@3=2h,1000\n*=0 ");
    ASSERT_TRUE(rules);
    ASSERT_EQ(rules->size(), 3u);
    EXPECT_EQ(rule_of(*rules, "audit.login", core::TenantId{0}), 0u);
    EXPECT_EQ(rule_of(*rules, "a.b", core::TenantId{3}), 1u);
    EXPECT_EQ(rule_of(*rules, "a.b", core::TenantId{4}), 2u);
    EXPECT_EQ((*rules)[1].bytes, 1000u);
    EXPECT_EQ((*rules)[1].age_us, 7'200'000'000);
    EXPECT_EQ(parse_event_rules("  ")->size(), 0u);
    for (const char* bad : {"a", "=1d", "a=", "a=1x", "a=1d,", "a=1d,0", "a=1d,x", "a*b=1d",
                            "a@x=1d", "@1=1d", "a=-1d"}) {
        EXPECT_FALSE(parse_event_rules(bad)) << bad;
    }
    std::string many;
    for (int i = 0; i < 32; ++i) many += "a=1d ";
    EXPECT_FALSE(parse_event_rules(many));
}

}  // namespace
}  // namespace millrace::store::test
