// Goal: executions are gathered over chunks and attempts, filtered and paged, and recovery learns
// what is done. Method: outcomes of random deliveries against a plain map.
#include "store/rows/executions.h"

#include "core/random.h"
#include "tests/store/store_fixture.h"

#include <map>
#include <set>

namespace millrace::store::test {
namespace {

class ExecutionsTest : public StoreTest {
protected:
    void SetUp() override {
        open();
        for (int block = 0; block < 10; ++block) {
            for (const core::ShardId shard : {kZero, kOne}) {
                const std::uint64_t first = database_->durable_end(shard).value;
                for (int i = 0; i < 20; ++i) append(shard, {});
                commit(shard);
                RowBatch rows;
                rows.begin_outcomes({shard, core::LogOffset{first}});
                for (std::uint32_t i = 0; i < 20; ++i) {
                    for (std::uint32_t subscription = 1; subscription <= 3; ++subscription) {
                        OutcomeEntry entry;
                        entry.event_index = i;
                        entry.subscription = core::SubscriptionId{subscription};
                        entry.script_version = 4;
                        entry.started_at_us = clock_.wall_us();
                        entry.duration_us = 12;
                        const bool fails = subscription == 3;
                        entry.status =
                            fails ? DeliveryStatus::kRetrying : DeliveryStatus::kCompleted;
                        entry.error = fails ? "boom" : "";
                        rows.add_outcome(entry);
                        clock_.advance_us(1);
                    }
                }
                rows.end_outcomes();
                commit(shard, std::move(rows));
            }
        }
    }
    void second_attempt(core::ShardId shard, std::uint64_t offset) {
        RowBatch rows;
        rows.begin_outcomes({shard, core::LogOffset{offset / 20 * 20}});
        OutcomeEntry entry;
        entry.event_index = static_cast<std::uint32_t>(offset % 20);
        entry.subscription = core::SubscriptionId{3};
        entry.attempt = 2;
        entry.started_at_us = clock_.wall_us();
        entry.result = "{\"ok\":true}";
        entry.logs = "[\"line\"]";
        rows.add_outcome(entry);
        rows.end_outcomes();
        commit(shard, std::move(rows));
    }
    std::vector<Execution> all(ExecutionQuery query) {
        std::vector<Execution> out;
        std::string cursor;
        do {
            query.cursor = cursor;
            auto page = database_->executions().list(query);
            EXPECT_TRUE(page) << page.error().message;
            if (!page) return out;
            for (auto& execution : page->executions) out.push_back(std::move(execution));
            cursor = page->next;
        } while (!cursor.empty());
        return out;
    }
};

TEST_F(ExecutionsTest, ListsEachDeliveryOnceOverPages) {
    for (const std::size_t limit : {7u, 1000u}) {
        std::set<DeliveryKey> seen;
        for (const Execution& execution : all({.limit = limit})) {
            EXPECT_TRUE(seen.insert(execution.delivery).second);
            EXPECT_EQ(execution.attempts.size(), 1u);
            EXPECT_EQ(execution.script_version, 4u);
        }
        EXPECT_EQ(seen.size(), 2u * 10 * 20 * 3);
    }
}

// Events of several tenants share a block, and so do their outcomes a chunk.
TEST_F(ExecutionsTest, EachIsItsTenantsAlone) {
    RowBatch rows;
    rows.begin_outcomes({kZero, core::LogOffset{0}});
    for (std::uint32_t i = 0; i < 20; ++i) {
        OutcomeEntry entry;
        entry.event_index = i;
        entry.subscription = core::SubscriptionId{9};
        entry.tenant = core::TenantId{i % 3 == 0 ? 70'000u : 2u};
        entry.started_at_us = clock_.wall_us();
        rows.add_outcome(entry);
    }
    rows.end_outcomes();
    commit(kZero, std::move(rows));
    std::size_t found = 0;
    for (const std::uint32_t tenant : {70'000u, 2u}) {
        for (const Execution& execution : all({.tenant = core::TenantId{tenant}})) {
            EXPECT_EQ(execution.tenant.value, tenant);
            EXPECT_EQ(execution.delivery.position.offset.value % 3 == 0, tenant == 70'000u);
            ++found;
        }
    }
    EXPECT_EQ(found, 20u);
    EXPECT_EQ(all({.tenant = core::TenantId{0}}).size(), 2u * 10 * 20 * 3);
    ExecutionQuery one{.tenant = core::TenantId{2}};
    one.event = core::LogPosition{kZero, core::LogOffset{3}};
    EXPECT_TRUE(all(one).empty());
    one.tenant = core::TenantId{70'000};
    EXPECT_EQ(all(one).size(), 1u);
}

// What was written after a crash stands beside what was written before it.
TEST_F(ExecutionsTest, OutcomesOfOneBlockKeepTheirRowsOverCrashes) {
    for (std::uint32_t round = 0; round < 3; ++round) {
        for (std::uint32_t unit = 0; unit < 2; ++unit) {
            RowBatch rows;
            rows.begin_outcomes({kZero, core::LogOffset{0}});
            OutcomeEntry entry;
            entry.subscription = core::SubscriptionId{100 + round * 2 + unit};
            entry.started_at_us = clock_.wall_us();
            rows.add_outcome(entry);
            rows.end_outcomes();
            // Also by those who have no log of their own.
            if (unit == 0)
                commit(kZero, std::move(rows));
            else
                ASSERT_TRUE(database_->write_now(rows));
        }
        crash();
        open();
    }
    std::set<std::uint32_t> seen;
    ExecutionQuery first;
    first.event = core::LogPosition{kZero, core::LogOffset{0}};
    for (const Execution& execution : all(first))
        seen.insert(execution.delivery.subscription.value);
    for (std::uint32_t number = 100; number < 106; ++number) EXPECT_TRUE(seen.contains(number));
}

TEST_F(ExecutionsTest, GathersTheAttemptsOfARetriedDelivery) {
    second_attempt(kOne, 57);
    const DeliveryKey key{{kOne, core::LogOffset{57}}, core::SubscriptionId{3}};
    const auto got = database_->executions().get(key);
    ASSERT_TRUE(got && *got);
    const Execution& execution = **got;
    ASSERT_EQ(execution.attempts.size(), 2u);
    EXPECT_EQ(execution.attempts[0].error, "boom");
    EXPECT_EQ(execution.attempts[0].status, DeliveryStatus::kRetrying);
    EXPECT_EQ(execution.attempts[1].attempt, 2u);
    EXPECT_EQ(execution.status, DeliveryStatus::kCompleted);
    EXPECT_EQ(execution.result, "{\"ok\":true}");
    EXPECT_EQ(execution.logs, "[\"line\"]");
    EXPECT_EQ(execution.block_first_offset.value, 40u);
    EXPECT_EQ(all({.status = DeliveryStatus::kRetrying}).size(), 399u);
}

// A replay's attempt has the number of a first one; it must not be taken for it.
TEST_F(ExecutionsTest, AReplayDoesNotChangeWhatTheDeliveryCameTo) {
    const auto replay = [&](std::uint32_t subscription, std::string_view id, std::uint32_t attempt,
                            std::string_view result) {
        RowBatch rows;
        rows.begin_outcomes({kOne, core::LogOffset{40}});
        for (const std::uint32_t index : {17u, 18u}) {
            OutcomeEntry entry;
            entry.event_index = index;
            entry.subscription = core::SubscriptionId{subscription};
            entry.script_version = 9;
            entry.attempt = attempt;
            entry.started_at_us = clock_.wall_us();
            entry.replay_id = id;
            entry.result = result;
            rows.add_outcome(entry);
        }
        rows.end_outcomes();
        commit(kOne, std::move(rows));
        clock_.advance_us(1);
    };
    replay(3, "rp_1", 1, "1");
    replay(3, "rp_2", 1, "2");
    replay(3, "rp_1", 2, "3");
    replay(7, "rp_1", 1, "4");  // a handler that the event was never delivered to
    const auto check = [&](const Execution& execution) {
        EXPECT_EQ(execution.replay_id, "");
        EXPECT_EQ(execution.status, DeliveryStatus::kRetrying);
        EXPECT_EQ(execution.script_version, 4u);
        EXPECT_EQ(execution.result, "");
        ASSERT_EQ(execution.attempts.size(), 1u);
        EXPECT_EQ(execution.attempts[0].error, "boom");
        ASSERT_EQ(execution.replays.size(), 2u);
        EXPECT_EQ(execution.replays[0].replay_id, "rp_1");
        EXPECT_EQ(execution.replays[0].attempts.size(), 2u);
        EXPECT_EQ(execution.replays[0].result, "3");
        EXPECT_EQ(execution.replays[0].script_version, 9u);
        EXPECT_EQ(execution.replays[1].replay_id, "rp_2");
        EXPECT_EQ(execution.replays[1].result, "2");
    };
    for (const std::uint64_t offset : {57u, 58u}) {
        const auto got =
            database_->executions().get({{kOne, core::LogOffset{offset}}, core::SubscriptionId{3}});
        ASSERT_TRUE(got && *got);
        check(**got);
        const auto only =
            database_->executions().get({{kOne, core::LogOffset{offset}}, core::SubscriptionId{7}});
        ASSERT_TRUE(only && *only);
        EXPECT_EQ((*only)->replay_id, "rp_1");
        EXPECT_EQ((*only)->result, "4");
        EXPECT_EQ((*only)->replays.size(), 1u);
    }
    std::size_t replayed = 0;
    for (const Execution& execution : all({.subscriptions = {core::SubscriptionId{3}}})) {
        if (execution.replays.empty()) continue;
        check(execution);
        ++replayed;
    }
    EXPECT_EQ(replayed, 2u);
    EXPECT_EQ(all({.status = DeliveryStatus::kRetrying}).size(), 400u);
    // Nor is it the outcome that recovery looks for.
    std::set<DeliveryKey> done;
    ASSERT_TRUE(database_->executions().done_since(
        {kOne, core::LogOffset{40}}, [&](const DeliveryKey& key) { done.insert(key); }));
    EXPECT_FALSE(done.contains({{kOne, core::LogOffset{57}}, core::SubscriptionId{7}}));
    EXPECT_TRUE(done.contains({{kOne, core::LogOffset{57}}, core::SubscriptionId{3}}));
}

TEST_F(ExecutionsTest, FiltersBySubscriptionEventStatusAndTime) {
    EXPECT_EQ(all({.subscriptions = {core::SubscriptionId{2}}, .limit = 9}).size(), 400u);
    EXPECT_EQ(all({.event = core::LogPosition{kZero, core::LogOffset{33}}}).size(), 3u);
    EXPECT_EQ(all({.status = DeliveryStatus::kRetrying}).size(), 400u);
    EXPECT_EQ(all({.status = DeliveryStatus::kDead}).size(), 0u);
    const std::int64_t end = clock_.wall_us();
    EXPECT_EQ(all({.from_us = end - 60, .to_us = end}).size(), 60u);
    EXPECT_EQ(all({.accept = [](const Execution& e) { return e.delivery.position.shard == kOne; }})
                  .size(),
              600u);
}

// Whoever asks does so in steps, for a long history that holds little of what is wanted.
TEST_F(ExecutionsTest, ABudgetOfBlocksEndsACallNotTheList) {
    ExecutionQuery query;
    query.status = DeliveryStatus::kRetrying;
    query.blocks_max = 2;
    query.limit = 1000;
    std::set<std::pair<std::uint16_t, std::uint64_t>> seen;
    std::string cursor;
    std::size_t calls = 0;
    do {
        query.cursor = cursor;
        auto page = database_->executions().list(query);
        ASSERT_TRUE(page) << page.error().message;
        for (const Execution& execution : page->executions) {
            const core::LogPosition at = execution.delivery.position;
            EXPECT_TRUE(seen.emplace(at.shard.value, at.offset.value).second);
        }
        EXPECT_EQ(page->stalled, !page->next.empty());
        cursor = page->next;
        ASSERT_LT(++calls, 50u);
    } while (!cursor.empty());
    EXPECT_EQ(seen.size(), 400u);
    EXPECT_GE(calls, 10u);
    query.status = DeliveryStatus::kDead;  // none: each call gets on all the same
    query.cursor = {};
    for (calls = 0;; query.cursor = cursor) {
        auto page = database_->executions().list(query);
        ASSERT_TRUE(page) << page.error().message;
        EXPECT_TRUE(page->executions.empty());
        ASSERT_LT(++calls, 50u);
        cursor = page->next;
        if (cursor.empty()) break;
    }
}

TEST_F(ExecutionsTest, TellsRecoveryWhatIsDone) {
    reopen();
    std::set<DeliveryKey> done;
    ASSERT_TRUE(database_->executions().done_since(
        {kZero, core::LogOffset{190}}, [&](const DeliveryKey& key) { done.insert(key); }));
    EXPECT_EQ(done.size(), 30u);
    EXPECT_TRUE(done.contains({{kZero, core::LogOffset{190}}, core::SubscriptionId{1}}));
    EXPECT_FALSE(done.contains({{kZero, core::LogOffset{189}}, core::SubscriptionId{1}}));
}

}  // namespace
}  // namespace millrace::store::test
