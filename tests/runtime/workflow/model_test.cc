// Goal: whatever the graph, whatever fails and wherever the process dies, a run keeps what
// workflows promise, and ends. Method: random graphs in a small world with a judge (run_model.h);
// what the judge misses is seen by mutants (mutants.py).
#include "tests/runtime/workflow/run_model.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::workflow {
namespace {

TEST(WorkflowModel, HoldsForRandomGraphsAndRandomFaults) {
    std::size_t deaths = 0;
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        core::Random random(seed);
        const std::string json = random_definition(random);
        RunModel model(json, seed * 7919);
        model.play_to_the_end();
        deaths += model.deaths();
        ASSERT_EQ(model.wrong(), "") << "seed " << seed << "\n" << json;
    }
    EXPECT_GT(deaths, 2'000u) << "processes hardly die";
}

}  // namespace
}  // namespace millrace::runtime::workflow
