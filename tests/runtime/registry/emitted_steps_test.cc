// Goal: a key in which a handler has made a step is known until that is durable, whatever order
// results become durable in, and room is bounded. Method: results that are let go by hand.
#include "runtime/registry/emitted_steps.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

using Runs = EmittedSteps::Runs;

StateKey key(std::uint64_t number) {
    StateKey out;
    out.schema = SchemaNumber(1);
    out.key.by_id = number;
    return out;
}

TEST(EmittedSteps, AKeyIsHeldUntilItsResultIsGone) {
    EmittedSteps steps;
    EXPECT_FALSE(steps.result(Runs::kAllEnded)) << "nothing was emitted";
    steps.add(key(1));
    EXPECT_TRUE(steps.holds(key(1)));
    EXPECT_FALSE(steps.holds(key(2)));
    auto result = steps.result(Runs::kAllEnded);
    ASSERT_TRUE(result);
    steps.add(key(2));
    EXPECT_TRUE(steps.holds(key(1)));
    result = {};
    EXPECT_FALSE(steps.holds(key(1)));
    EXPECT_TRUE(steps.holds(key(2)));
}

// The step of a run that went on may be in any of the results since.
TEST(EmittedSteps, WhileRunsGoOnAllTheirResultsCount) {
    EmittedSteps steps;
    steps.add(key(1));
    auto first = steps.result(Runs::kSomeGoOn);
    steps.add(key(2));
    auto second = steps.result(Runs::kAllEnded);
    second = {};
    EXPECT_TRUE(steps.holds(key(1)));
    EXPECT_TRUE(steps.holds(key(2)));
    first = {};
    EXPECT_FALSE(steps.holds(key(1)));
    EXPECT_FALSE(steps.holds(key(2)));
}

TEST(EmittedSteps, AKeyThatComesTwiceIsHeldForBoth) {
    EmittedSteps steps;
    steps.add(key(1));
    auto first = steps.result(Runs::kAllEnded);
    steps.add(key(1));
    auto second = steps.result(Runs::kAllEnded);
    first = {};
    EXPECT_TRUE(steps.holds(key(1)));
    second = {};
    EXPECT_FALSE(steps.holds(key(1)));
}

TEST(EmittedSteps, BeyondItsRoomEveryKeyIsHeld) {
    EmittedSteps steps;
    for (std::uint64_t i = 0; i < EmittedSteps::kKeysMax; ++i) steps.add(key(i));
    EXPECT_FALSE(steps.holds(key(1'000'000)));
    steps.add(key(1'000'001));
    EXPECT_TRUE(steps.holds(key(1'000'000)));
    auto result = steps.result(Runs::kAllEnded);
    result = {};
    EXPECT_FALSE(steps.holds(key(1'000'000)));
    EXPECT_FALSE(steps.holds(key(1)));
}

}  // namespace
}  // namespace millrace::runtime
