// Goal: dead letters are kept, filtered, paged and counted.
#include "store/rows/dead_letters.h"

#include "tests/store/store_fixture.h"

namespace millrace::store::test {
namespace {

class DeadLettersTest : public StoreTest {
protected:
    void SetUp() override { open(); }
    DeadLetterKey key(std::uint64_t i, std::uint32_t tenant = 1) {
        return {core::TenantId{tenant},
                static_cast<std::int64_t>(1000 + i),
                {{kZero, core::LogOffset{i}}, core::SubscriptionId{2}}};
    }
    void put_letter(std::uint64_t i, std::string_view script, std::uint32_t tenant = 1,
                    RowChange change = RowChange::kNew) {
        RowBatch rows;
        DeadLetter letter;
        letter.key = key(i, tenant);
        letter.retry_count = 3;
        letter.retries_max = 3;
        letter.script_id = script;
        letter.subscription_id = "sub";
        letter.pattern = "a.b";
        letter.error = "boom";
        letter.attempts = "[1,2]";
        rows.put_dead_letter(letter, change);
        ASSERT_TRUE(database_->write_now(rows));
    }
    std::size_t count(const DeadLetterQuery& query) {
        return database_->dead_letters().list(query)->rows.size();
    }
};

TEST_F(DeadLettersTest, KeepsEveryFieldOverRestart) {
    put_letter(1, "s");
    reopen();
    const auto letter = database_->dead_letters().get(key(1));
    ASSERT_TRUE(letter && *letter);
    const DeadLetter& row = (*letter)->row;
    EXPECT_EQ(row.key, key(1));
    EXPECT_EQ(row.script_id, "s");
    EXPECT_EQ(row.error, "boom");
    EXPECT_EQ(row.attempts, "[1,2]");
    EXPECT_EQ(row.retry_count, 3u);
    EXPECT_FALSE(*database_->dead_letters().get(key(2)));
    EXPECT_EQ(database_->dead_letters().count(), 1u);
}

TEST_F(DeadLettersTest, CountsNewOnesOnceAndErasedOnesDown) {
    put_letter(1, "s");
    put_letter(1, "s", 1, RowChange::kUpdate);
    put_letter(2, "s");
    EXPECT_EQ(database_->dead_letters().count(), 2u);
    RowBatch rows;
    rows.erase_dead_letter(key(1));
    ASSERT_TRUE(database_->write_now(rows));
    EXPECT_EQ(database_->dead_letters().count(), 1u);
    reopen();
    EXPECT_EQ(database_->dead_letters().count(), 1u);
}

TEST_F(DeadLettersTest, FiltersAndPagesNewestFirst) {
    for (std::uint64_t i = 0; i < 30; ++i)
        put_letter(i, i % 2 == 0 ? "even" : "odd", i % 3 == 0 ? 1 : 2);
    EXPECT_EQ(count({.script_id = "even"}), 15u);
    EXPECT_EQ(count({.tenant = core::TenantId{1}}), 10u);
    EXPECT_EQ(count({.tenant = core::TenantId{1}, .script_id = "odd"}), 5u);
    EXPECT_EQ(count({.pattern = "other"}), 0u);
    EXPECT_EQ(count({.tenant = core::TenantId{2}, .from_us = 1010, .to_us = 1020}), 7u);
    EXPECT_EQ(count({.accept = [](const DeadLetter& row) { return row.key.created_at_us < 1005; }}),
              5u);
    std::string cursor;
    std::vector<std::int64_t> seen;
    do {
        const auto page = database_->dead_letters().list(
            {.tenant = core::TenantId{2}, .limit = 7, .cursor = cursor});
        ASSERT_TRUE(page);
        for (const auto& owned : page->rows) seen.push_back(owned.row.key.created_at_us);
        cursor = page->next;
    } while (!cursor.empty());
    EXPECT_EQ(seen.size(), 20u);
    EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend()));
}

}  // namespace
}  // namespace millrace::store::test
