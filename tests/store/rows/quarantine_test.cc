// Goal: a stored row that does not read stops nothing: it stays, is told once, and everything
// around it goes on. Method: one row of every kind is damaged below the store, then it is read.
#include "store/rows/quarantine.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/verify.h"
#include "tests/store/store_fixture.h"

namespace millrace::store::test {
namespace {

class QuarantineTest : public StoreTest {
protected:
    // The first row of the family gets a value of no known version.
    std::string damage(ColumnFamily family) {
        Engine& engine = database_->engine();
        const auto rows = engine.iterate(family);
        rows->SeekToFirst();
        EXPECT_TRUE(rows->Valid());
        const std::string key = rows->key().ToString();
        rocksdb::WriteBatch batch;
        batch.Put(engine.family(family), key, "\xee not a row");
        EXPECT_TRUE(engine.commit(batch, Durability::kFsync));
        return key;
    }
    std::uint64_t told() const { return database_->quarantine().count(); }
};

TEST_F(QuarantineTest, EveryKindOfRowIsPassedOverAndTheStartGoesOn) {
    Database::Options with = options();
    with.kv_history_us = 3'600'000'000;
    open(with);
    ASSERT_EQ(put(kZero, {.id = "a"}).status, AppendStatus::kAppended);
    RowBatch rows;
    rows.begin_outcomes({kZero, core::LogOffset{0}});
    rows.add_outcome({.subscription = core::SubscriptionId{1}, .started_at_us = 1});
    rows.end_outcomes();
    rows.put_cursor("deliveries", {kZero, core::LogOffset{1}});
    for (std::uint32_t i = 1; i <= 2; ++i) {
        const core::SubscriptionId subscription{i};
        rows.put_retry({.due_at_us = i, .delivery = {{kZero, core::LogOffset{0}}, subscription}});
        rows.put_dead_letter({.key = {core::TenantId{0}, i, {{kZero, {}}, subscription}}},
                             RowChange::kNew);
        rows.put_registry("script", "s" + std::to_string(i), 1, 1, "{}");
        rows.put_audit(i, core::TenantId{0}, "{}");
        rows.put_entity({core::TenantId{0}, "order", "o" + std::to_string(i)}, {1, 1, 1, "{}"});
    }
    rows.kv_put({core::TenantId{0}, "room", "k"}, "1", 0);
    rows.kv_put({core::TenantId{0}, "room", "other"}, "2", 0);
    database_->kv().stage(rows);
    commit(kZero, std::move(rows));
    for (const ColumnFamily family :
         {ColumnFamily::kSummary, ColumnFamily::kOutcomes, ColumnFamily::kCursor,
          ColumnFamily::kRetry, ColumnFamily::kDlq, ColumnFamily::kKv, ColumnFamily::kRegistry,
          ColumnFamily::kAudit, ColumnFamily::kKvHistory, ColumnFamily::kEntity}) {
        damage(family);
    }
    crash();
    open(with);
    const std::uint64_t before = told();

    EXPECT_EQ(database_->cursor("deliveries", kZero).value, 0u);
    EXPECT_EQ(database_->registry().load_all("script")->size(), 1u);
    EXPECT_FALSE(database_->registry().get("script", "s1")->has_value());
    std::size_t due = 0;
    EXPECT_TRUE(database_->retries().visit_due(10, [&](const RetryRow&) {
        ++due;
        return DueVisit::kLeft;
    }));
    EXPECT_EQ(due, 1u);
    EXPECT_EQ(database_->dead_letters().list({})->rows.size(), 1u);
    EXPECT_EQ(database_->audit().list({})->entries.size(), 1u);
    std::size_t done = 0;
    EXPECT_TRUE(database_->executions().done_since({kZero, core::LogOffset{0}},
                                                   [&](const DeliveryKey&) { ++done; }));
    EXPECT_EQ(done, 0u);
    EXPECT_EQ(database_->event_search().search({})->events.size(), 1u);
    EXPECT_FALSE(database_->kv().get({core::TenantId{0}, "room", "k"}));
    EXPECT_EQ(database_->kv().list(core::TenantId{0}, "room", "", 10)->size(), 1u);
    EXPECT_FALSE(database_->kv_history().list(core::TenantId{0}, "room", "", {.at_us = 1}, "", 10));
    EXPECT_GE(told() - before, 7u);
    const std::uint64_t all = told();
    EXPECT_EQ(database_->registry().load_all("script")->size(), 1u);
    EXPECT_EQ(told(), all) << "counted again";

    bool named = false;
    database_->quarantine().observe([&](const Quarantine::Row& row) {
        named |= row.family == ColumnFamily::kRegistry && row.key == "script\\x00s1";
    });
    EXPECT_TRUE(named);
    close();
    const auto report = verify(folder_.path());
    ASSERT_TRUE(report);
    EXPECT_GE(report->problem_count, 8u);
}

TEST_F(QuarantineTest, AKeyWhoseValueDoesNotReadCountsFromZeroAndTheOldBytesAreKept) {
    open();
    RowBatch rows;
    rows.kv_put_int({core::TenantId{0}, "room", "k"}, 41, 0);
    database_->kv().stage(rows);
    commit(kZero, std::move(rows));
    const std::string key = damage(ColumnFamily::kKv);
    reopen();
    RowBatch more;
    more.kv_incr({core::TenantId{0}, "room", "k"}, 2, 1, 0);
    database_->kv().stage(more);
    commit(kZero, std::move(more));
    EXPECT_FALSE(database_->fatal());
    EXPECT_EQ((*database_->kv().get({core::TenantId{0}, "room", "k"}))->integer, 2);
    reopen();
    EXPECT_EQ((*database_->kv().get({core::TenantId{0}, "room", "k"}))->integer, 2);
    rocksdb::PinnableSlice kept;
    const auto there = database_->engine().get(ColumnFamily::kDefault, "set_aside/kv/" + key, kept);
    ASSERT_TRUE(there && *there);
    EXPECT_EQ(kept.ToString(), "\xee not a row");
}

// Outcomes of a block stand under one key but for their serial: a number that was given before
// would write over one of them.
TEST_F(QuarantineTest, NumbersOfUnitsGoOnBehindARowThatDoesNotRead) {
    open();
    ASSERT_EQ(put(kZero, {.id = "a"}).status, AppendStatus::kAppended);
    const auto outcome = [this](std::uint32_t attempt) {
        RowBatch rows;
        rows.begin_outcomes({kZero, core::LogOffset{0}});
        rows.add_outcome({.subscription = core::SubscriptionId{1}, .attempt = attempt});
        rows.end_outcomes();
        rows.put_audit(1, core::TenantId{0}, "{}");
        commit(kZero, std::move(rows));
    };
    const auto count = [this](ColumnFamily family) {
        const auto rows = database_->engine().iterate(family);
        int found = 0;
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) ++found;
        return found;
    };
    for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) outcome(attempt);
    rocksdb::WriteBatch batch;
    batch.Put(database_->engine().family(ColumnFamily::kCursor), cursor_key(kUnitsCursor, kZero),
              "\xee not a row");
    ASSERT_TRUE(database_->engine().commit(batch, Durability::kFsync));
    crash();
    open();
    EXPECT_EQ(told(), 1u);
    for (std::uint32_t attempt = 6; attempt <= 10; ++attempt) outcome(attempt);
    EXPECT_EQ(count(ColumnFamily::kOutcomes), 10);
    EXPECT_EQ(count(ColumnFamily::kAudit), 10);
    crash();
    open();
    EXPECT_EQ(told(), 0u);
}

}  // namespace
}  // namespace millrace::store::test
