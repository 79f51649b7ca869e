// Three hosts of one partition, over and over from other seeds (partition_sim.h).
#include "tests/runtime/cluster/partition_sim.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace millrace::test {
namespace {

TEST(PartitionSim, NothingAcknowledgedIsLostWhateverHappens) {
    const char* one = std::getenv("MILLRACE_PARTITION_SEED");
    const char* many = std::getenv("MILLRACE_PARTITION_SEEDS");
    const std::uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1;
    const std::uint64_t seeds = one ? 1 : many ? std::strtoull(many, nullptr, 10) : 60;
    std::size_t acknowledged = 0, takeovers = 0, filled = 0;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        PartitionSim sim(seed);
        sim.play();
        EXPECT_EQ(sim.wrong(), "") << "MILLRACE_PARTITION_SEED=" << seed;
        if (::testing::Test::HasFailure()) return;
        acknowledged += sim.acknowledged();
        takeovers += sim.takeovers();
        filled += sim.filled();
    }
    if (one) return;
    EXPECT_GT(acknowledged, seeds * 50);
    EXPECT_GT(takeovers, seeds * 2);
    EXPECT_GT(filled, seeds / 8);
}

}  // namespace
}  // namespace millrace::test
