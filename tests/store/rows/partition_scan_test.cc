// Goal: rows of all partitions come in one order, forwards and backwards, and a page goes on where
// the last one ended, whatever stands in the other partitions. Method: dead letters and retries of
// random shards, times and tenants against sorted lists.
#include "store/rows/partition_scan.h"

#include "core/random.h"
#include "store/rows/dead_letters.h"
#include "store/rows/keys.h"
#include "store/rows/old_keys.h"
#include "store/rows/retry_schedule.h"
#include "store/rows/row_codec.h"
#include "tests/store/store_fixture.h"

#include <algorithm>
#include <map>

namespace millrace::store::test {
namespace {

constexpr std::size_t kManyShards = 5;

class PartitionScanTest : public StoreTest {
protected:
    void SetUp() override {
        auto with = options();
        with.shards = kManyShards;
        open(with);
        core::Random random(11);
        RowBatch rows;
        for (std::uint64_t i = 0; i < 200; ++i) {
            const DeliveryKey delivery{
                {core::ShardId{static_cast<std::uint16_t>(random.below(kManyShards))},
                 core::LogOffset{i}},
                core::SubscriptionId{static_cast<std::uint32_t>(1 + random.below(3))}};
            const core::TenantId tenant{static_cast<std::uint32_t>(random.below(2))};
            // Many at one time: the partition decides then.
            const auto at = static_cast<std::int64_t>(random.below(20));
            retries_.push_back(
                {.due_at_us = at, .delivery = delivery, .tenant = tenant, .state = "0"});
            rows.put_retry(retries_.back());
            letters_.push_back({tenant, at, delivery});
            rows.put_dead_letter({.key = letters_.back()}, RowChange::kNew);
        }
        EXPECT_TRUE(database_->write_now(rows));
    }
    std::vector<RetryRow> retries_;
    std::vector<DeadLetterKey> letters_;
};

TEST_F(PartitionScanTest, RetriesOfATenantFallDueInTheOrderOfTimeOverAllPartitions) {
    std::size_t seen = 0;
    std::map<std::uint32_t, std::int64_t> before;
    EXPECT_TRUE(database_->retries().visit_due(12, [&](const RetryRow& row) {
        EXPECT_GE(row.due_at_us, before[row.tenant.value]);
        before[row.tenant.value] = row.due_at_us;
        ++seen;
        return DueVisit::kLeft;
    }));
    EXPECT_EQ(seen, static_cast<std::size_t>(
                        std::count_if(retries_.begin(), retries_.end(),
                                      [](const RetryRow& row) { return row.due_at_us <= 12; })));
}

TEST_F(PartitionScanTest, PagesOfRetriesHoldEachRowOnceWithItsTenant) {
    std::map<DeliveryKey, RetryRow> left;
    for (const RetryRow& row : retries_) left[row.delivery] = row;
    std::string cursor;
    do {
        const auto page = database_->retries().list(cursor, 7);
        ASSERT_TRUE(page);
        for (const OwnedRetry& owned : page->rows) {
            const auto at = left.find(owned.row.delivery);
            ASSERT_NE(at, left.end());
            EXPECT_EQ(owned.row.tenant, at->second.tenant);
            EXPECT_EQ(owned.row.due_at_us, at->second.due_at_us);
            left.erase(at);
        }
        cursor = page->next;
    } while (!cursor.empty());
    EXPECT_TRUE(left.empty());
}

TEST_F(PartitionScanTest, DeadLettersOfOneTenantComeNewestFirstAndNoneOfAnother) {
    for (const std::uint32_t tenant : {0u, 1u}) {
        std::vector<DeadLetterKey> seen;
        std::string cursor;
        do {
            const auto page = database_->dead_letters().list(
                {.tenant = core::TenantId{tenant}, .limit = 9, .cursor = cursor});
            ASSERT_TRUE(page);
            for (const auto& owned : page->rows) seen.push_back(owned.row.key);
            cursor = page->next;
        } while (!cursor.empty());
        std::vector<DeadLetterKey> own;
        for (const DeadLetterKey& key : letters_) {
            if (key.tenant.value == tenant) own.push_back(key);
        }
        EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(),
                                   [](const DeadLetterKey& a, const DeadLetterKey& b) {
                                       return a.created_at_us > b.created_at_us;
                                   }));
        std::sort(seen.begin(), seen.end());
        std::sort(own.begin(), own.end());
        EXPECT_EQ(seen, own);
    }
}

// A page that is cut short by its size goes on from a key of the caller's.
TEST_F(PartitionScanTest, ACursorAtAKeyBeginsWithIt) {
    const auto all = database_->dead_letters().list({.limit = 1000});
    ASSERT_TRUE(all);
    ASSERT_EQ(all->rows.size(), 200u);
    for (const std::size_t i : {0u, 77u, 199u}) {
        const std::string cursor = DeadLetters::cursor_at(all->rows[i].row.key);
        const auto page = database_->dead_letters().list({.limit = 1000, .cursor = cursor});
        ASSERT_TRUE(page);
        ASSERT_EQ(page->rows.size(), 200 - i);
        EXPECT_EQ(page->rows[0].row.key, all->rows[i].row.key);
    }
}

TEST_F(PartitionScanTest, AKeyParkedInTwoPartitionsIsNamedOnceAndReadInOneOrder) {
    // Two partition keys of one 32-bit hash.
    RowBatch rows;
    const auto park = [&](std::uint16_t shard, std::uint64_t offset, std::uint32_t hash) {
        rows.put_retry(
            {.due_at_us = kParkedDueUs,
             .delivery = {{core::ShardId{shard}, core::LogOffset{offset}}, core::SubscriptionId{1}},
             .key_hash = hash,
             .tenant = core::TenantId{1},
             .state = "0"});
    };
    park(3, 4, 7);
    park(1, 9, 7);
    park(1, 5, 7);
    park(2, 6, 8);
    ASSERT_TRUE(database_->write_now(rows));
    std::vector<std::uint32_t> keys;
    EXPECT_TRUE(database_->retries().visit_parked_keys(
        [&](core::SubscriptionId, std::uint32_t hash) { keys.push_back(hash); }));
    EXPECT_EQ(keys, (std::vector<std::uint32_t>{7, 8}));
    const auto from = [&](core::LogPosition place) {
        std::vector<std::uint64_t> offsets;
        EXPECT_TRUE(*database_->retries().visit_parked(
            core::SubscriptionId{1}, 7, place, [&](const RetryRow& row) {
                offsets.push_back(row.delivery.position.offset.value);
                return true;
            }));
        return offsets;
    };
    EXPECT_EQ(from({}), (std::vector<std::uint64_t>{5, 9, 4}));
    EXPECT_EQ(from({core::ShardId{1}, core::LogOffset{6}}), (std::vector<std::uint64_t>{9, 4}));
    EXPECT_EQ(from({core::ShardId{2}, core::LogOffset{0}}), (std::vector<std::uint64_t>{4}));
}

TEST_F(PartitionScanTest, HeldRowsOfASubscriptionComeByTimeOverAllPartitions) {
    RowBatch rows;
    for (const std::uint32_t subscription : {1u, 3u}) {
        for (std::uint16_t i = 0; i < kManyShards; ++i) {
            rows.put_retry({.due_at_us = kHeldDueUs,
                            .held_due_at_us = 100 - i,
                            .delivery = {{core::ShardId{i}, core::LogOffset{i}},
                                         core::SubscriptionId{subscription}},
                            .tenant = core::TenantId{1},
                            .state = "0"});
        }
    }
    ASSERT_TRUE(database_->write_now(rows));
    std::vector<std::int64_t> times;
    EXPECT_TRUE(database_->retries().visit_held(core::SubscriptionId{3}, [&](const RetryRow& row) {
        EXPECT_EQ(row.delivery.subscription.value, 3u);
        EXPECT_EQ(row.tenant.value, 1u);
        times.push_back(row.held_due_at_us);
        return true;
    }));
    EXPECT_EQ(times, (std::vector<std::int64_t>{96, 97, 98, 99, 100}));
    std::vector<std::uint32_t> subscriptions;
    EXPECT_TRUE(database_->retries().visit_held_subscriptions(
        [&](core::SubscriptionId id) { subscriptions.push_back(id.value); }));
    EXPECT_EQ(subscriptions, (std::vector<std::uint32_t>{1, 3}));
    std::size_t due = 0;
    EXPECT_TRUE(database_->retries().visit_due(kHeldDueUs, [&](const RetryRow&) {
        ++due;
        return DueVisit::kLeft;
    }));
    EXPECT_EQ(due, 200u);
}

TEST_F(PartitionScanTest, CursorsByPrefixComeFromEveryPartition) {
    RowBatch rows;
    for (std::uint16_t i = 0; i < kManyShards; ++i) {
        rows.put_cursor("behind:7", {core::ShardId{i}, core::LogOffset{i * 10u}});
        rows.put_cursor("deliveries", {core::ShardId{i}, core::LogOffset{1}});
    }
    ASSERT_TRUE(database_->write_now(rows));
    std::vector<core::LogPosition> seen;
    EXPECT_TRUE(
        database_->visit_cursors("behind:", [&](std::string_view name, core::LogPosition end) {
            EXPECT_EQ(name, "behind:7");
            seen.push_back(end);
        }));
    ASSERT_EQ(seen.size(), kManyShards);
    for (std::uint16_t i = 0; i < kManyShards; ++i)
        EXPECT_EQ(seen[i], (core::LogPosition{core::ShardId{i}, core::LogOffset{i * 10u}}));
}

// Keys as format 4 wrote them.
TEST(OldKeys, BecomeThoseOfTheSameRow) {
    const DeliveryKey delivery{{core::ShardId{3}, core::LogOffset{42}}, core::SubscriptionId{5}};
    const core::TenantId tenant{6};
    const std::string value = encode_retry({.tenant = tenant, .state = "0"});
    const auto put_place = [&](std::string& key) {
        put_be(key, delivery.position.shard.value);
        put_be(key, delivery.position.offset.value);
    };
    std::string due;
    put_be(due, std::int64_t{99});
    put_place(due);
    put_be(due, delivery.subscription.value);
    EXPECT_EQ(key_with_partition(ColumnFamily::kRetry, due, value),
              retry_key(99, tenant, delivery));
    std::string parked;
    put_be(parked, kParkedDueUs);
    put_be(parked, delivery.subscription.value);
    put_be(parked, std::uint32_t{8});
    put_place(parked);
    EXPECT_EQ(key_with_partition(ColumnFamily::kRetry, parked, value),
              parked_key(8, tenant, delivery));
    std::string held;
    put_be(held, kHeldDueUs);
    put_be(held, delivery.subscription.value);
    put_be(held, std::int64_t{98});
    put_place(held);
    EXPECT_EQ(key_with_partition(ColumnFamily::kRetry, held, value),
              held_key(98, tenant, delivery));
    std::string letter;
    put_be(letter, tenant.value);
    put_be(letter, std::int64_t{7});
    put_place(letter);
    put_be(letter, delivery.subscription.value);
    EXPECT_EQ(key_with_partition(ColumnFamily::kDlq, letter, {}),
              dead_letter_key({tenant, 7, delivery}));
    EXPECT_EQ(key_with_partition(ColumnFamily::kCursor,
                                 old_cursor_key("deliveries", core::ShardId{3}), {}),
              cursor_key("deliveries", core::ShardId{3}));
    EXPECT_EQ(
        key_with_partition(ColumnFamily::kKv, without_partition(kv_prefix(tenant, "room")), {}),
        kv_prefix(tenant, "room"));
    // Kept, where nobody reads it.
    EXPECT_EQ(key_with_partition(ColumnFamily::kRetry, "short", value),
              partition_key(kUnreadPartition) + "short");
}

}  // namespace
}  // namespace millrace::store::test
