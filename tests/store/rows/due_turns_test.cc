// Goal: whatever is put, taken and read again, each key comes out once, and a tenant's in their
// order. Method: a random mix against a sorted set that stands for the rows on the disk.
#include "store/rows/due_turns.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <vector>

namespace millrace::store {
namespace {

constexpr core::TenantId kOne{1}, kTwo{2};

DueKey key(std::int64_t due, std::uint64_t offset = 0) { return {due, offset, 1, 0}; }

TEST(DueTurns, TenantsThatAreDueComeInTurns) {
    DueTurns turns;
    std::vector<core::TenantId> due;
    turns.put(kOne, key(5));
    turns.put(kTwo, key(9));
    turns.due(4, due);
    EXPECT_TRUE(due.empty());
    turns.due(9, due);
    EXPECT_EQ(due, (std::vector{kOne, kTwo}));
    turns.served(kOne);
    turns.due(9, due);
    EXPECT_EQ(due, (std::vector{kTwo, kOne}));
    EXPECT_EQ(turns.next_us(), 5);
    EXPECT_EQ(turns.take(kOne, 9), key(5));
    EXPECT_EQ(turns.take(kOne, 9), std::nullopt);
    EXPECT_EQ(turns.next_us(), 9);
}

TEST(DueTurns, WhatIsPutWhileItIsReadAgainIsNotLost) {
    DueTurns turns;
    for (std::int64_t i = 0; i <= static_cast<std::int64_t>(DueTurns::kKnownMax); ++i)
        turns.put(kOne, key(i));
    const auto last = static_cast<std::int64_t>(DueTurns::kKnownMax);
    EXPECT_EQ(turns.begin_reading(kOne, 1'000), std::nullopt) << "some are known";
    for (std::int64_t i = 0; i < last; ++i) ASSERT_EQ(turns.take(kOne, 1'000), key(i));
    EXPECT_EQ(turns.take(kOne, 1'000), std::nullopt);
    ASSERT_EQ(turns.begin_reading(kOne, 1'000), key(last));
    turns.put(kOne, key(900));  // the scan does not see it
    turns.end_reading(kOne, std::vector{key(last)}, std::nullopt);
    EXPECT_EQ(turns.take(kOne, 1'000), key(last));
    EXPECT_EQ(turns.take(kOne, 1'000), key(900));
    EXPECT_EQ(turns.next_us(), kParkedDueUs);
}

TEST(DueTurns, EachKeyComesOutOnceInItsOrder) {
    core::Random random(3);
    DueTurns turns;
    std::set<DueKey> rows;
    std::int64_t now = 0;
    std::uint64_t offset = 0;
    std::size_t out = 0;
    const auto read_again = [&] {
        const auto from = turns.begin_reading(kOne, now);
        if (!from) return;
        std::vector<DueKey> found;
        std::optional<DueKey> behind;
        for (auto at = rows.lower_bound(*from); at != rows.end(); ++at) {
            if (found.size() == 50) {
                behind = *at;
                break;
            }
            found.push_back(*at);
        }
        turns.end_reading(kOne, found, behind);
    };
    for (int step = 0; step < 20'000 || !rows.empty(); ++step) {
        if (step < 20'000 && random.below(3) != 0) {
            const DueKey fresh =
                key(now + static_cast<std::int64_t>(random.below(5'000)), ++offset);
            rows.insert(fresh);
            turns.put(kOne, fresh);
            continue;
        }
        now += static_cast<std::int64_t>(random.below(8));
        auto taken = turns.take(kOne, now);
        if (!taken) {
            read_again();
            taken = turns.take(kOne, now);
        }
        if (!taken) {
            EXPECT_TRUE(rows.empty() || rows.begin()->due_at_us > now);
            continue;
        }
        ASSERT_EQ(*taken, *rows.begin());
        rows.erase(rows.begin());
        ++out;
    }
    EXPECT_EQ(out, offset);
    EXPECT_EQ(turns.next_us(), kParkedDueUs);
}

}  // namespace
}  // namespace millrace::store
