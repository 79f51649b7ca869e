// Goal: no two steps have one key, and keys that receivers know stay as they were.
#include "runtime/orchestrator/step_key.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::runtime {
namespace {

TEST(StepKey, IsReadableWhereIdsAre) {
    EXPECT_EQ(step_key("order-17", "pay", 1, false), "order-17:pay:1");
    EXPECT_EQ(step_key("order-17", "pay", 0, true), "order-17:pay:0:undo");
    EXPECT_EQ(step_key("order:17", "pay", 2, false), "order:17:pay:2") << "as it was";
}

// "a:b" with step "c" and "a" with step "b:c" had one key, and so one webhook-id.
TEST(StepKey, IdsThatHoldWhatPartsThemDoNotMeet) {
    std::set<std::string> keys;
    const std::string_view parts[][2] = {{"a:b", "c"},   {"a", "b:c"},    {"a:b:c", ""},
                                         {"", "a:b:c"},  {"a:b", "c:0"},  {"a", "b:c:0"},
                                         {"a:b:c", "0"}, {"a:b:c:0", "0"}};
    for (const auto& [run, step] : parts) {
        for (const bool undo : {false, true}) keys.insert(step_key(run, step, 0, undo));
    }
    EXPECT_EQ(keys.size(), std::size(parts) * 2);
    EXPECT_TRUE(step_key("a", "b:c", 0, false).starts_with("wk_"));
    EXPECT_EQ(step_key("a", "b:c", 0, false), step_key("a", "b:c", 0, false));
}

TEST(StepKey, WhatIsLongIsShortAndItsOwn) {
    const std::string one(200, 'a'), other = one + "b";
    EXPECT_LE(step_key(one, "s", 0, false).size(), kStepKeyBytesMax);
    EXPECT_NE(step_key(one, "s", 0, false), step_key(other, "s", 0, false));
}

}  // namespace
}  // namespace millrace::runtime
