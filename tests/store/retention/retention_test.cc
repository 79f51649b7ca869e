// Goal: retention drops whole blocks, oldest first, and never what is still needed; a backup comes
// back whole; verify finds what is damaged.
#include "store/retention/retention.h"

#include "store/backup.h"
#include "store/engine.h"
#include "store/log/event_search.h"
#include "store/rows/executions.h"
#include "store/rows/keys.h"
#include "store/verify.h"
#include "tests/store/store_fixture.h"

#include <fstream>
#include <functional>
#include <vector>

namespace millrace::store::test {
namespace {

namespace fs = std::filesystem;

class RetentionTest : public StoreTest {
protected:
    void SetUp() override {
        open();
        for (int block = 0; block < 10; ++block) {
            for (const core::ShardId shard : {kZero, kOne}) {
                for (int i = 0; i < 10; ++i)
                    append(shard, {.id = std::to_string(shard.value) + "-" +
                                         std::to_string(block * 10 + i)});
                RowBatch rows;
                rows.begin_outcomes(
                    {shard, core::LogOffset{static_cast<std::uint64_t>(block) * 10}});
                rows.add_outcome({.event_index = 1,
                                  .subscription = core::SubscriptionId{1},
                                  .started_at_us = 5});
                rows.end_outcomes();
                rows.put_cursor(
                    "deliveries",
                    {shard, core::LogOffset{static_cast<std::uint64_t>(block) * 10 + 10}});
                commit(shard, std::move(rows));
            }
            clock_.advance_us(1000);
        }
        start_ = clock_.wall_us() - 10'000;
    }
    RetentionReport apply(const RetentionRule& rule) {
        auto report = apply_retention(*database_, rule);
        EXPECT_TRUE(report) << report.error().message;
        return report ? *report : RetentionReport{};
    }
    static std::function<std::vector<core::LogOffset>()> floors_at(std::uint64_t zero,
                                                                   std::uint64_t one) {
        return [=] { return std::vector{core::LogOffset{zero}, core::LogOffset{one}}; };
    }
    void move_cursor(core::ShardId shard, std::uint64_t to) {
        RowBatch rows;
        rows.put_cursor("deliveries", {shard, core::LogOffset{to}});
        ASSERT_TRUE(database_->write_now(rows));
    }
    std::uint64_t first(core::ShardId shard) { return database_->first_kept(shard).value; }
    std::int64_t start_ = 0;
};

TEST_F(RetentionTest, DropsByAgeWholeBlocksWithWhatBelongsToThem) {
    const RetentionReport report = apply({.keep_received_after_us = start_ + 3500});
    EXPECT_EQ(report.events_dropped, 80u);
    EXPECT_EQ(first(kZero), 40u);
    EXPECT_EQ(first(kOne), 40u);
    EXPECT_FALSE(*database_->log_reader().find(core::TenantId{0}, "0-39"));
    EXPECT_TRUE(*database_->log_reader().find(core::TenantId{0}, "0-40"));
    EXPECT_EQ(database_->event_search()
                  .search({.order = SearchOrder::kOldestFirst})
                  ->events.front()
                  .event.position.offset.value,
              40u);
    EXPECT_EQ(database_->executions().list({})->executions.size(), 12u);
    EXPECT_EQ(database_->log_reader().read_block(kZero, core::LogOffset{0})->first_offset().value,
              40u);
    reopen();
    EXPECT_EQ(first(kOne), 40u);
    EXPECT_EQ(database_->durable_end(kOne).value, 100u);
}

TEST_F(RetentionTest, ABlockWhoseSummaryDoesNotReadGoesWithTheOthers) {
    Engine& engine = database_->engine();
    rocksdb::WriteBatch batch;
    batch.Put(engine.family(ColumnFamily::kSummary), log_key({kZero, core::LogOffset{10}}),
              "\xee not a row");
    ASSERT_TRUE(engine.commit(batch, Durability::kFsync));
    EXPECT_EQ(apply({.keep_received_after_us = start_ + 500}).events_dropped, 20u);
    EXPECT_EQ(first(kZero), 10u) << "before it";
    EXPECT_EQ(apply({.keep_received_after_us = start_ + 3500}).events_dropped, 60u);
    EXPECT_EQ(first(kZero), 40u);
    EXPECT_GE(database_->quarantine().count(), 1u);
}

class RetentionFilesTest : public StoreTest {
protected:
    std::size_t blob_files() const {
        std::size_t count = 0;
        for (const auto& entry : fs::recursive_directory_iterator(folder_.path()))
            count += entry.path().extension() == ".blob";
        return count;
    }
};

// Files are given back when it is worth it: what many passes have dropped counts together.
TEST_F(RetentionFilesTest, PassesThatEachDropALittleGiveTheirFilesBack) {
    auto with = options();
    with.reclaim_bytes_min = 60'000;
    open(with);
    constexpr int kBlocks = 20;
    std::uint32_t dice = 1;
    for (int block = 0; block < kBlocks; ++block) {
        TestEvent event{.id = std::to_string(block)};
        for (int i = 0; i < 10'000; ++i)
            event.body +=
                static_cast<char>('a' + (dice = dice * 1'103'515'245 + 12'345) % 1'000 % 26);
        append(kZero, event);
        RowBatch rows;
        rows.put_cursor("deliveries",
                        {kZero, core::LogOffset{static_cast<std::uint64_t>(block) + 1}});
        commit(kZero, std::move(rows));
        ASSERT_TRUE(database_->flush());
        clock_.advance_us(1000);
        if (block < 2) continue;
        auto report =
            apply_retention(*database_, {.keep_received_after_us = clock_.wall_us() - 2500});
        ASSERT_TRUE(report);
        EXPECT_LT(report->bytes_dropped, with.reclaim_bytes_min);
    }
    EXPECT_EQ(database_->first_kept(kZero).value, static_cast<std::uint64_t>(kBlocks) - 2);
    EXPECT_LT(blob_files(), 12u);
}

TEST_F(RetentionTest, ADroppedEventMayComeAgain) {
    apply({.keep_received_after_us = start_ + 3500});
    EXPECT_EQ(append(kZero, {.id = "0-5"}).status, AppendStatus::kAppended);
    EXPECT_EQ(append(kZero, {.id = "0-50"}).status, AppendStatus::kDuplicate);
    commit(kZero);
    reopen();
    EXPECT_EQ(append(kZero, {.id = "0-5"}).position.offset.value, 100u);
}

TEST_F(RetentionTest, DropsByBytesOldestFirstOverAllShards) {
    const RetentionReport report = apply({.keep_bytes_max = 1});
    // The newest block of each shard stays.
    EXPECT_EQ(report.events_dropped, 180u);
    EXPECT_EQ(first(kZero), 90u);
    EXPECT_EQ(apply({.keep_bytes_max = 1}).events_dropped, 0u);
    reopen();
    EXPECT_EQ(database_->durable_end(kZero).value, 100u);
    EXPECT_EQ(put(kZero, {.id = "next"}).position.offset.value, 100u);
}

TEST_F(RetentionTest, KeepsWhatCursorsRetriesAndFloorsNeedAndSaysSo) {
    RowBatch rows;
    rows.put_retry(
        {.due_at_us = 9, .delivery = {{kZero, core::LogOffset{25}}, core::SubscriptionId{1}}});
    ASSERT_TRUE(database_->write_now(rows));
    const RetentionReport report = apply({.keep_bytes_max = 1, .floors = floors_at(1000, 50)});
    EXPECT_EQ(first(kZero), 20u);
    EXPECT_EQ(first(kOne), 50u);
    EXPECT_GT(report.events_held_back, 0u);
}

// A subscription falls behind while the pass looks at what is needed: its place was not there yet
// or the cursor was, by the order in which they are asked.
TEST_F(RetentionTest, KeepsWhatTheCursorPassesWhileFloorsAreAsked) {
    move_cursor(kZero, 40);
    RetentionRule rule{.keep_bytes_max = 1};
    rule.floors = [this] {
        auto before = floors_at(1000, 1000)();
        move_cursor(kZero, 100);
        return before;
    };
    apply(rule);
    EXPECT_EQ(first(kZero), 40u);
}

TEST_F(RetentionTest, KeepsWhatIsParkedBehindItsKey) {
    RowBatch rows;
    rows.put_retry({.due_at_us = kParkedDueUs,
                    .delivery = {{kZero, core::LogOffset{25}}, core::SubscriptionId{1}},
                    .key_hash = 0x99999999});
    ASSERT_TRUE(database_->write_now(rows));
    apply({.keep_bytes_max = 1, .floors = floors_at(1000, 1000)});
    EXPECT_EQ(first(kZero), 20u);
}

TEST_F(RetentionTest, ABackupComesBackWhole) {
    TempFolder other;
    const std::string saved = other.path() + "/saved";
    ASSERT_TRUE(backup(*database_, saved));
    EXPECT_FALSE(backup(*database_, saved));
    put(kZero, {.id = "after the backup"});
    close();
    const std::string back = other.path() + "/back";
    ASSERT_TRUE(restore(saved, back));
    EXPECT_FALSE(restore(saved, back));
    EXPECT_FALSE(restore(other.path() + "/nothing", other.path() + "/x"));
    Database::Options there = options();
    there.path = back;
    open(there);
    EXPECT_EQ(database_->durable_end(kZero).value, 100u);
    EXPECT_EQ(append(kZero, {.id = "0-77"}).status, AppendStatus::kDuplicate);
    EXPECT_EQ(put(kZero, {.id = "new"}).position.offset.value, 100u);
    close();
    const auto report = verify(back);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->ok()) << report->problems.front();
}

TEST_F(RetentionTest, VerifyCountsEverythingAndFindsAFlippedBit) {
    close();
    auto report = verify(folder_.path());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->ok());
    EXPECT_EQ(report->events, 200u);
    EXPECT_EQ(report->outcomes, 20u);
    ASSERT_EQ(report->shards.size(), 2u);
    EXPECT_EQ(report->shards[1].end_offset, 100u);
    // One bit of each file that holds data, one after the other: refused, or named by verify.
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/rocks")) {
        const std::string name = entry.path().filename().string();
        const bool data = name.ends_with(".log") || name.ends_with(".sst") ||
                          name.ends_with(".blob") || name.starts_with("MANIFEST") ||
                          name == "CURRENT";
        if (!data || entry.file_size() == 0) continue;
        const auto middle = static_cast<std::streamoff>(entry.file_size() / 2);
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        char byte = 0;
        file.seekg(middle).get(byte);
        file.seekp(middle).put(static_cast<char>(byte ^ 1)).flush();
        report = verify(folder_.path());
        EXPECT_TRUE(!report || !report->ok()) << name;
        file.seekp(middle).put(byte).flush();
    }
    EXPECT_TRUE(verify(folder_.path())->ok());
}

}  // namespace
}  // namespace millrace::store::test
