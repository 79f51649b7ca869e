// Goal: the store has its reserve of open files before any connection has one, for every limit and
// number of shards; what is too small is refused with what helps.
#include "runtime/server/descriptors.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

TEST(Descriptors, TheSumNeverPassesTheLimit) {
    core::HttpConfig http;
    for (const std::int64_t configured : {1, 100, 4096, 1'000'000}) {
        http.connections_max = configured;
        for (std::uint64_t limit = 1; limit < (1u << 21); limit += 1 + limit / 7) {
            for (const std::size_t shards : {1, 2, 4, 16, 64}) {
                const auto plan = plan_descriptors(limit, shards, http);
                if (!plan) {
                    EXPECT_LT(limit, 1500u) << "so much is enough for " << shards << " shards";
                    EXPECT_NE(plan.error().message.find("ulimit -n"), std::string::npos);
                    continue;
                }
                EXPECT_GE(plan->connections_max, 1u);
                EXPECT_LE(plan->connections_max, static_cast<std::size_t>(configured));
                EXPECT_LE(plan->reserve + 2 * shards * plan->connections_max, limit);
                EXPECT_EQ(plan->connections_capped,
                          plan->connections_max < static_cast<std::size_t>(configured));
                if (plan->store_files_max != -1) {
                    EXPECT_GE(plan->store_files_max, 24);
                    EXPECT_LT(static_cast<std::uint64_t>(plan->store_files_max), plan->reserve);
                }
            }
        }
    }
}

TEST(Descriptors, TheUsualLimitsAreShared) {
    const core::HttpConfig http;
    const auto small = plan_descriptors(1024, 1, http);
    ASSERT_TRUE(small);
    EXPECT_EQ(small->reserve, 256u);
    EXPECT_EQ(small->connections_max, 384u);
    EXPECT_TRUE(small->connections_capped);
    const auto big = plan_descriptors(1u << 20, 4, http);
    ASSERT_TRUE(big);
    EXPECT_EQ(big->store_files_max, -1);
    EXPECT_EQ(big->connections_max, 4096u);
    EXPECT_FALSE(big->connections_capped);
}

}  // namespace
}  // namespace millrace::runtime
