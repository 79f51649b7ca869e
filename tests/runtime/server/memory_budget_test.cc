// Goal: what the parts are given stays below the limit for every limit and number of holders, each
// has what it can't work without, and nobody gets more than it takes where nothing bounds it.
#include "runtime/server/memory_budget.h"

#include <gtest/gtest.h>

#include <numeric>

namespace millrace::runtime {
namespace {

constexpr std::uint64_t kBudgetMiB = 1u << 20;

TEST(MemoryBudget, TheSumNeverPassesTheLimit) {
    for (const std::size_t shards : {1, 2, 4, 16, 64}) {
        for (const std::size_t lanes : {1, 3, 8, 68}) {
            for (std::uint64_t limit = kBudgetMiB; limit < (1ull << 44); limit += 1 + limit / 9) {
                const auto plan = plan_memory(limit, {shards, lanes});
                if (!plan) {
                    EXPECT_NE(plan.error().message.find("memory.max"), std::string::npos);
                    EXPECT_LT(limit, (64 + 20 * shards + lanes) * kBudgetMiB)
                        << "so much is enough";
                    continue;
                }
                EXPECT_GE(limit, kMemoryMin);
                const std::uint64_t sum =
                    std::accumulate(plan->shares.begin(), plan->shares.end(), plan->program);
                EXPECT_LE(sum, limit);
                EXPECT_EQ(sum + plan->unshared(), limit);
            }
        }
    }
}

TEST(MemoryBudget, GrowsWithTheLimit) {
    std::uint64_t last = 0;
    for (std::uint64_t mib = 48; mib <= 4096; mib *= 2) {
        const auto plan = plan_memory(mib * kBudgetMiB, {1, 2});
        ASSERT_TRUE(plan) << mib;
        EXPECT_GE(plan->of(MemoryShare::kWriteBuffers), last);
        last = plan->of(MemoryShare::kWriteBuffers);
    }
}

struct ShareRow {
    std::uint64_t limit_mib;
    std::size_t log_write_buffer_kib, id_entries, in_flight_kib, queue_kib, scripts_kib;
};

// With one shard and three lanes: what a small container, a small machine, and a large one give.
TEST(MemoryBudget, GivesThePartsTheirShares) {
    for (const ShareRow& row :
         {ShareRow{64, 2884, 32768, 1627, 1183, 4096}, ShareRow{128, 7188, 32768, 4055, 2949, 9953},
          ShareRow{256, 15708, 131072, 8860, 6444, 21749},
          ShareRow{4096, 65536, 524288, 65536, 21845, 375644}}) {
        const MemoryHolders holders{1, 3};
        const auto plan = plan_memory(row.limit_mib * kBudgetMiB, holders);
        ASSERT_TRUE(plan);
        const MemoryBounds bounds = memory_bounds(*plan, holders);
        EXPECT_EQ(bounds.log_write_buffer_bytes >> 10, row.log_write_buffer_kib) << row.limit_mib;
        EXPECT_EQ(bounds.id_table_entries, row.id_entries) << row.limit_mib;
        EXPECT_EQ(bounds.in_flight_bytes >> 10, row.in_flight_kib) << row.limit_mib;
        EXPECT_EQ(bounds.queue_bytes >> 10, row.queue_kib) << row.limit_mib;
        EXPECT_EQ(bounds.scripts_bytes >> 10, row.scripts_kib) << row.limit_mib;
        EXPECT_EQ(bounds.in_flight_bytes, bounds.receiving_bytes);
        EXPECT_GT(bounds.client_bytes, core::kEventBytesMax) << "the longest line must fit";
        EXPECT_GT(bounds.buffered_bytes, bounds.in_flight_bytes + bounds.receiving_bytes);
        EXPECT_LE(bounds.client_bytes + bounds.stream_blocks_bytes + bounds.stream_writing_bytes +
                      bounds.message_bytes + bounds.unsent_bytes,
                  plan->of(MemoryShare::kClients));
        EXPECT_GE(bounds.outside_bytes, 1u << 20) << "one answer of the largest";
        EXPECT_GE(bounds.receiving_bytes, core::kEventBytesMax) << "the largest event must fit";
    }
}

TEST(MemoryBudget, WithoutALimitThereIsNoPlan) {
    const auto plan = plan_memory(0, {1, 1});
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->limit, 0u);
    EXPECT_EQ(plan->of(MemoryShare::kBodies), 0u);
}

TEST(MemoryBudget, TooLittleIsRefusedWithWhatHelps) {
    const auto plan = plan_memory(32 * kBudgetMiB, {1, 2});
    ASSERT_FALSE(plan);
    EXPECT_EQ(
        plan.error().message,
        "memory: the limit is 32 MiB, and 1 shards with 2 lanes need 48 MiB; raise memory.max "
        "or the limit of the control group, or lower engine.shards and engine.lanes");
    EXPECT_FALSE(plan_memory(96 * kBudgetMiB, {16, 16})) << "each shard has its least";
}

}  // namespace
}  // namespace millrace::runtime
