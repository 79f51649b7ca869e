// Goal: events are refused while a flush of what is in memory still fits, whatever the reserve is
// set to. Method: the pure rule, and a folder of this machine.
#include "store/retention/space_guard.h"

#include <gtest/gtest.h>

namespace millrace::store {
namespace {

constexpr std::uint64_t kGuardMiB = 1u << 20;

TEST(SpaceGuard, NeedsTheReserveAndWhatAFlushWrites) {
    struct Row {
        std::uint64_t reserve_mib, unflushed_mib, needed_mib;
    };
    for (const Row& row : {Row{512, 0, 512}, Row{512, 400, 512}, Row{48, 0, 48}, Row{48, 8, 49},
                           Row{48, 256, 328}, Row{40, 1024, 1192}}) {
        EXPECT_EQ(
            SpaceGuard::needed_bytes(row.reserve_mib * kGuardMiB, row.unflushed_mib * kGuardMiB),
            row.needed_mib * kGuardMiB)
            << row.reserve_mib << " " << row.unflushed_mib;
    }
}

TEST(SpaceGuard, TakesNoEventsWhileMemoryHoldsMoreThanTheDisk) {
    SpaceGuard guard({.folder = testing::TempDir(), .reserve_bytes = 1});
    ASSERT_TRUE(guard.accepting());
    const std::uint64_t free = guard.free_bytes();
    guard.check(free);
    EXPECT_FALSE(guard.accepting());
    EXPECT_GT(guard.reserve_bytes(), free);
    guard.check(0);
    EXPECT_TRUE(guard.accepting()) << "it was written, and its WAL went";
}

}  // namespace
}  // namespace millrace::store
