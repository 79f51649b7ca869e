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

// So many fall due before it while it is read that what is known runs over.
TEST(DueTurns, WhatRunsOverWhileItIsReadAgainIsNotLost) {
    DueTurns turns;
    const auto most = static_cast<std::int64_t>(DueTurns::kKnownMax);
    for (std::int64_t i = 0; i <= most; ++i) turns.put(kOne, key(1'000 + i));
    for (std::int64_t i = 0; i < most; ++i) ASSERT_TRUE(turns.take(kOne, 5'000));
    ASSERT_EQ(turns.begin_reading(kOne, 5'000), key(1'000 + most));
    for (std::int64_t i = 0; i <= most; ++i) turns.put(kOne, key(i));
    turns.end_reading(kOne, std::vector{key(1'000 + most)}, std::nullopt);
    for (std::int64_t i = 0; i < most; ++i) ASSERT_EQ(turns.take(kOne, 5'000), key(i));
    EXPECT_EQ(turns.begin_reading(kOne, 5'000), key(most));
}

TEST(DueTurns, WhatIsForLaterComesAgainInItsTimeBehindThoseThatAreDue) {
    DueTurns turns;
    for (std::int64_t i = 0; i < 3; ++i) turns.put(kOne, key(i));
    const auto first = turns.take(kOne, 10);
    turns.put_later(kOne, *first, 500);
    turns.bring_later(10, 499);
    EXPECT_EQ(turns.next_us(), 1);
    turns.bring_later(10, 500);
    EXPECT_EQ(turns.take(kOne, 10), key(1)) << "others are due";
    turns.served(kOne);
    EXPECT_EQ(turns.take(kOne, 10), key(2));
    turns.served(kOne);
    EXPECT_EQ(turns.next_us(), kParkedDueUs);
    turns.bring_later(10, 499);
    EXPECT_EQ(turns.begin_reading(kOne, 10), std::nullopt);
    turns.bring_later(10, 500);
    EXPECT_EQ(turns.next_us(), 0);
    EXPECT_EQ(turns.begin_reading(kOne, 10), key(0));
    turns.end_reading(kOne, std::vector{key(0)}, std::nullopt);
    EXPECT_EQ(turns.take(kOne, 10), key(0));
    EXPECT_EQ(turns.next_us(), kParkedDueUs);
}

// However many are always due.
TEST(DueTurns, WhatIsForLaterDoesNotWaitForAll) {
    DueTurns turns;
    turns.put(kOne, key(0));
    turns.put_later(kOne, *turns.take(kOne, 10'000), 5);
    turns.put(kOne, key(1));
    turns.bring_later(10'000, DueTurns::kLaterNsMost + 4);
    EXPECT_EQ(turns.next_us(), 1);
    turns.bring_later(10'000, DueTurns::kLaterNsMost + 5);
    EXPECT_EQ(turns.next_us(), 0);
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
