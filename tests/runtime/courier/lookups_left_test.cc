// Goal: names that nobody answers for use up their tenant's look-ups and no others'.
#include "runtime/courier/lookups_left.h"

#include <gtest/gtest.h>

namespace millrace::courier {
namespace {

TEST(LookupsLeft, EachOwnerHasItsOwn) {
    LookupsLeft left;
    for (std::size_t i = 0; i < LookupsLeft::kOfOneMax; ++i) {
        EXPECT_TRUE(left.may_look_up(1, 0)) << i;
        left.note(1, 0);
    }
    EXPECT_FALSE(left.may_look_up(1, 0));
    EXPECT_TRUE(left.may_look_up(2, 0));
    EXPECT_TRUE(left.may_look_up(1, LookupsLeft::kNsMax + 1)) << "the resolver has given up";
}

TEST(LookupsLeft, WhereAllHaveManyEachStillHasSome) {
    LookupsLeft left;
    for (std::size_t i = 0; i < LookupsLeft::kOfAllMax; ++i) left.note(i / 32, 0);
    EXPECT_FALSE(left.may_look_up(0, 0)) << "it has its part of them";
    for (std::size_t i = 0; i < LookupsLeft::kAlways; ++i) {
        EXPECT_TRUE(left.may_look_up(100, 0));
        left.note(100, 0);
    }
    EXPECT_FALSE(left.may_look_up(100, 0));
}

}  // namespace
}  // namespace millrace::courier
