// Goal: retries come in order of due time, survive a restart, and cost nothing while they wait.
#include "store/rows/retry_schedule.h"

#include "tests/store/store_fixture.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace millrace::store::test {
namespace {

class RetryScheduleTest : public StoreTest {
protected:
    void SetUp() override { open(); }
    static DeliveryKey delivery(std::uint64_t offset) {
        return {{kZero, core::LogOffset{offset}}, core::SubscriptionId{1}};
    }
    void put_retry(std::int64_t due, std::uint64_t offset) {
        RowBatch rows;
        rows.put_retry({.due_at_us = due,
                        .delivery = delivery(offset),
                        .tenant = core::TenantId{3},
                        .attempt = 2,
                        .created_at_us = 5,
                        .state = "state!"});
        ASSERT_TRUE(database_->write_now(rows));
    }
    void erase(std::int64_t due, std::uint64_t offset) {
        RowBatch rows;
        rows.erase_retry(due, core::TenantId{3}, delivery(offset));
        ASSERT_TRUE(database_->write_now(rows));
    }
    std::vector<std::uint64_t> due(std::int64_t now, std::size_t limit = 100) {
        std::vector<std::uint64_t> out;
        EXPECT_TRUE(database_->retries().visit_due(now, [&](const RetryRow& row) {
            out.push_back(row.delivery.position.offset.value);
            return out.size() < limit ? DueVisit::kLeft : DueVisit::kStop;
        }));
        return out;
    }
};

TEST_F(RetryScheduleTest, KeepsDueOrderAcrossRestart) {
    put_retry(300, 1);
    put_retry(100, 2);
    put_retry(200, 3);
    EXPECT_EQ(due(250), (std::vector<std::uint64_t>{2, 3}));
    reopen();
    EXPECT_EQ(due(1000), (std::vector<std::uint64_t>{2, 3, 1}));
    EXPECT_EQ(due(1000, 1), (std::vector<std::uint64_t>{2}));
    EXPECT_EQ(database_->retries().count(), 3u);
    EXPECT_EQ(database_->retries().next_due_us(), 100);
}

TEST_F(RetryScheduleTest, ErasedOnesAreGone) {
    put_retry(100, 1);
    put_retry(200, 2);
    erase(100, 1);
    EXPECT_EQ(due(1000), (std::vector<std::uint64_t>{2}));
    EXPECT_EQ(database_->retries().count(), 1u);
}

TEST_F(RetryScheduleTest, CountsWhatIsParkedApartAlsoAfterARestart) {
    put_retry(100, 1);
    RowBatch rows;
    for (std::uint64_t offset = 2; offset < 5; ++offset) {
        rows.put_retry({.due_at_us = kParkedDueUs,
                        .delivery = delivery(offset),
                        .key_hash = 7,
                        .tenant = core::TenantId{3},
                        .state = "0"});
    }
    rows.erase_parked(7, core::TenantId{3}, delivery(4));
    ASSERT_TRUE(database_->write_now(rows));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(database_->retries().count(), 3u);
        EXPECT_EQ(database_->retries().count_unparked(), 1u);
        reopen();
    }
}

TEST_F(RetryScheduleTest, ARowPutBeforeThoseThatWereSeenIsStillFound) {
    put_retry(5000, 1);
    EXPECT_TRUE(due(1000).empty());
    EXPECT_TRUE(due(2000).empty());
    put_retry(1500, 2);  // due before the time of the last scan
    EXPECT_EQ(due(2000), (std::vector<std::uint64_t>{2}));
    EXPECT_EQ(database_->retries().next_due_us(), 1500);
}

class RetryTurnsTest : public RetryScheduleTest {
protected:
    // Rows of one tenant, one microsecond apart; offsets tell them from others' rows.
    void put_rows(std::uint32_t tenant, std::int64_t from, std::size_t count) {
        for (std::size_t done = 0; done < count;) {
            RowBatch rows;
            for (std::size_t i = 0; i < 10'000 && done < count; ++i, ++done, ++offset_) {
                rows.put_retry({.due_at_us = from + static_cast<std::int64_t>(done),
                                .delivery = delivery(offset_),
                                .tenant = core::TenantId{tenant},
                                .state = "0"});
            }
            ASSERT_TRUE(database_->write_now(rows));
        }
    }
    // What a feed does: takes a page, and what it took is erased. The tenants, in order.
    std::vector<std::uint32_t> take(std::size_t limit, std::int64_t now = 1'000'000) {
        std::vector<std::uint32_t> tenants;
        RowBatch ended;
        EXPECT_TRUE(database_->retries().visit_due(now, [&](const RetryRow& row) {
            if (tenants.size() == limit) return DueVisit::kStop;
            tenants.push_back(row.tenant.value);
            ended.erase_retry(row);
            return DueVisit::kTaken;
        }));
        EXPECT_TRUE(database_->write_now(ended));
        return tenants;
    }
    std::uint64_t offset_ = 1;
};

TEST_F(RetryTurnsTest, ATenantsOneRowIsAmongTheFirstWhateverFellDueBefore) {
    put_rows(1, 1, 100'000);
    put_rows(2, 500'000, 1);
    for (int i = 0; i < 2; ++i) {
        const auto page = take(128);
        ASSERT_EQ(page.size(), 128u);
        EXPECT_EQ(std::count(page.begin(), page.begin() + 2, 2u), 1);
        reopen();
        put_rows(2, 600'000, 1);
    }
}

TEST_F(RetryTurnsTest, BacklogsShareAPageAndEachRowComesOnce) {
    put_rows(1, 1, 3'000);
    put_rows(2, 2'000, 2'000);
    put_rows(3, 2'500, 700);
    std::map<std::uint32_t, std::size_t> seen;
    for (std::size_t pages = 0;; ++pages) {
        ASSERT_LT(pages, 1000u);
        const auto page = take(90);
        if (page.empty()) break;
        for (const std::uint32_t tenant : page) ++seen[tenant];
        if (pages == 4) {
            EXPECT_EQ(seen[2], 150u);
            EXPECT_EQ(seen[3], 150u);
        }
    }
    EXPECT_EQ(seen, (std::map<std::uint32_t, std::size_t>{{1, 3'000}, {2, 2'000}, {3, 700}}));
    EXPECT_EQ(database_->retries().count(), 0u);
    EXPECT_EQ(database_->retries().next_due_us(), kParkedDueUs);
}

TEST_F(RetryTurnsTest, ATenantsOwnRowsComeInTheirOrderAlsoPastWhatIsKnown) {
    put_rows(1, 1, 2'000);
    put_rows(2, 1, 20'000);  // between the rows that have to be read again
    put_rows(1, 1'000, 2'000);
    std::int64_t before = 0;
    std::size_t seen = 0;
    for (int calls = 0; calls < 100 && seen < 4'000; ++calls) {
        ASSERT_TRUE(database_->retries().visit_due(1'000'000, [&](const RetryRow& row) {
            if (row.tenant.value == 2) return DueVisit::kTenantFull;
            EXPECT_GE(row.due_at_us, before);
            before = row.due_at_us;
            ++seen;
            return DueVisit::kTaken;
        }));
    }
    EXPECT_EQ(seen, 4'000u);
}

TEST_F(RetryTurnsTest, WhatWasTakenComesAgainOnlyWhenSomebodySaysSo) {
    put_rows(1, 10, 1);
    std::vector<RetryRow> taken;
    const auto visit = [&] {
        std::size_t shown = 0;
        EXPECT_TRUE(database_->retries().visit_due(100, [&](const RetryRow& row) {
            ++shown;
            taken.push_back(row);
            taken.back().state = {};
            return DueVisit::kTaken;
        }));
        return shown;
    };
    EXPECT_EQ(visit(), 1u);
    EXPECT_EQ(visit(), 0u);
    EXPECT_EQ(database_->retries().next_due_us(), kParkedDueUs);
    database_->retries().look_again(taken.front());
    EXPECT_EQ(database_->retries().next_due_us(), 10);
    EXPECT_EQ(visit(), 1u);
    RowBatch ended;
    ended.erase_retry(taken.front());
    ASSERT_TRUE(database_->write_now(ended));
    database_->retries().look_again(taken.front());
    EXPECT_EQ(visit(), 0u);
}

// Dead letters that are asked for together fall due at one time: so do deliveries of one number in
// two logs, and what was read of them may end between the two.
TEST_F(RetryTurnsTest, RowsOfOneTimeInTwoPartitionsComeOnceEach) {
    RowBatch rows;
    for (std::uint64_t offset = 0; offset < 1'000; ++offset) {
        for (const core::ShardId shard : {kZero, kOne}) {
            for (const std::uint32_t tenant : {3u, 4u}) {
                rows.put_retry({.due_at_us = 100,
                                .delivery = {{shard, core::LogOffset{offset}}, {}},
                                .tenant = core::TenantId{tenant},
                                .state = "0"});
            }
        }
    }
    ASSERT_TRUE(database_->write_now(rows));
    std::set<std::tuple<std::uint32_t, std::uint16_t, std::uint64_t>> seen;
    std::size_t shown = 0;
    // An odd one, so that what was read ends at each place once.
    for (std::size_t page = 0; page < 100; ++page) {
        std::size_t of_page = 0;
        ASSERT_TRUE(database_->retries().visit_due(200, [&](const RetryRow& row) {
            if (of_page++ == 61) return DueVisit::kStop;
            ++shown;
            seen.insert({row.tenant.value, row.delivery.position.shard.value,
                         row.delivery.position.offset.value});
            return DueVisit::kTaken;
        }));
    }
    EXPECT_EQ(seen.size(), 4'000u);
    EXPECT_EQ(shown, 4'000u);
}

TEST_F(RetryTurnsTest, ManyRowsThatAreForLaterHoldUpNobodyAndComeAgain) {
    put_rows(1, 10, 20'000);
    put_rows(1, 500'000, 1);
    std::size_t later = 0;
    bool seen = false;
    const auto visit = [&] {
        ASSERT_TRUE(database_->retries().visit_due(1'000'000, [&](const RetryRow& row) {
            if (row.due_at_us < 500'000) {
                ++later;
                return DueVisit::kLater;
            }
            seen = true;
            return DueVisit::kTaken;
        }));
    };
    for (int calls = 0; calls < 10 && !seen; ++calls) visit();
    EXPECT_TRUE(seen);
    visit();
    EXPECT_EQ(later, 20'000u) << "not before a while";
    clock_.advance_us(RetrySchedule::kLaterNs / 1'000);
    for (int calls = 0; calls < 10; ++calls) visit();
    EXPECT_EQ(later, 40'000u);
}

TEST_F(RetryScheduleTest, ParkedRowsStandByKeyAndNeverFallDue) {
    const auto park = [&](std::uint32_t subscription, std::uint32_t key_hash,
                          std::uint64_t offset) {
        RowBatch rows;
        DeliveryKey key = delivery(offset);
        key.subscription = core::SubscriptionId{subscription};
        rows.put_retry({.due_at_us = kParkedDueUs,
                        .delivery = key,
                        .key_hash = key_hash,
                        .tenant = core::TenantId{3},
                        .state = "0"});
        ASSERT_TRUE(database_->write_now(rows));
    };
    park(1, 7, 12);
    park(1, 7, 11);
    park(1, 7, 300);
    park(1, 8, 10);
    park(2, 7, 13);
    put_retry(100, 1);
    EXPECT_EQ(due(kParkedDueUs - 1), (std::vector<std::uint64_t>{1}));
    EXPECT_EQ(database_->retries().count(), 6u);
    const auto parked = [&](std::uint32_t subscription, std::uint32_t key_hash,
                            std::uint64_t from) {
        std::vector<std::uint64_t> out;
        EXPECT_TRUE(*database_->retries().visit_parked(
            core::SubscriptionId{subscription}, key_hash, {kZero, core::LogOffset{from}},
            [&](const RetryRow& row) {
                EXPECT_EQ(row.key_hash, key_hash);
                EXPECT_EQ(row.delivery.subscription.value, subscription);
                out.push_back(row.delivery.position.offset.value);
                return true;
            }));
        return out;
    };
    EXPECT_EQ(parked(1, 7, 0), (std::vector<std::uint64_t>{11, 12, 300}));
    EXPECT_EQ(parked(1, 7, 12), (std::vector<std::uint64_t>{12, 300}));
    EXPECT_EQ(parked(1, 9, 0), std::vector<std::uint64_t>{});
    reopen();
    std::vector<std::pair<std::uint32_t, std::uint32_t>> keys;
    EXPECT_TRUE(database_->retries().visit_parked_keys(
        [&](core::SubscriptionId subscription, std::uint32_t key_hash) {
            keys.emplace_back(subscription.value, key_hash);
        }));
    EXPECT_EQ(keys, (std::vector<std::pair<std::uint32_t, std::uint32_t>>{{1, 7}, {1, 8}, {2, 7}}));
    RowBatch rows;
    rows.erase_parked(7, core::TenantId{3}, delivery(12));
    ASSERT_TRUE(database_->write_now(rows));
    EXPECT_EQ(parked(1, 7, 0), (std::vector<std::uint64_t>{11, 300}));
    EXPECT_EQ(database_->retries().list("", 10)->rows.size(), 5u);
}

// Two tenants may have a delivery at one place of two folders that became one.
TEST_F(RetryScheduleTest, ARowOfAnotherTenantStays) {
    for (const std::uint32_t tenant : {3u, 4u}) {
        RowBatch rows;
        for (const std::int64_t due : {std::int64_t{100}, kParkedDueUs}) {
            rows.put_retry({.due_at_us = due,
                            .delivery = delivery(1),
                            .key_hash = 7,
                            .tenant = core::TenantId{tenant},
                            .state = "0"});
        }
        ASSERT_TRUE(database_->write_now(rows));
    }
    RowBatch rows;
    rows.erase_retry(100, core::TenantId{3}, delivery(1));
    rows.erase_parked(7, core::TenantId{4}, delivery(1));
    ASSERT_TRUE(database_->write_now(rows));
    std::vector<std::pair<bool, std::uint32_t>> left;
    const auto page = database_->retries().list("", 10);
    for (const OwnedRetry& owned : page->rows)
        left.emplace_back(owned.row.parked(), owned.row.tenant.value);
    EXPECT_EQ(left, (std::vector<std::pair<bool, std::uint32_t>>{{false, 4}, {true, 3}}));
}

TEST_F(RetryScheduleTest, ListsPageByPageWithAllFields) {
    for (std::uint64_t i = 0; i < 25; ++i) put_retry(static_cast<std::int64_t>(1000 + i), i);
    std::string cursor;
    std::vector<std::uint64_t> seen;
    do {
        const auto page = database_->retries().list(cursor, 10);
        ASSERT_TRUE(page);
        for (const OwnedRetry& owned : page->rows) {
            seen.push_back(owned.row.delivery.position.offset.value);
            EXPECT_EQ(owned.row.state, "state!");
            EXPECT_EQ(owned.row.attempt, 2u);
            EXPECT_EQ(owned.row.tenant.value, 3u);
            EXPECT_EQ(owned.row.created_at_us, 5);
        }
        cursor = page->next;
    } while (!cursor.empty());
    ASSERT_EQ(seen.size(), 25u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_FALSE(database_->retries().list("rubbish", 10));
}

}  // namespace
}  // namespace millrace::store::test
