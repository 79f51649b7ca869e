// Goal: while letters are read, those that were on their way when it began are told to be, and each
// can be asked for again when it has ended. Method: the calls in the order that two threads could
// make them in.
#include "runtime/feed/redriven_letters.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

const store::DeadLetterKey kLetter{core::TenantId{1}, 5, {}};

TEST(RedrivenLetters, WhatEndsWhileTheyAreReadIsToldAsItWas) {
    RedrivenLetters letters;
    EXPECT_TRUE(letters.begin(kLetter, 10));
    EXPECT_FALSE(letters.begin(kLetter, 20));
    {
        const auto first = letters.view();
        letters.end(kLetter);
        const auto second = letters.view();
        EXPECT_EQ(letters.due_us(kLetter), 10);
    }
    EXPECT_EQ(letters.due_us(kLetter), std::nullopt);
    letters.end(kLetter);
}

TEST(RedrivenLetters, OneThatHasEndedCanBeAskedForAgainAtOnce) {
    RedrivenLetters letters;
    EXPECT_TRUE(letters.begin(kLetter, 10));
    {
        const auto view = letters.view();
        letters.end(kLetter);
        EXPECT_TRUE(letters.begin(kLetter, 30));
    }
    EXPECT_EQ(letters.due_us(kLetter), 30) << "the view's end does not take it";
    letters.move(kLetter, store::kHeldDueUs);
    EXPECT_EQ(letters.due_us(kLetter), std::nullopt);
    EXPECT_FALSE(letters.begin(kLetter, 40));
    letters.end(kLetter);
    EXPECT_TRUE(letters.begin(kLetter, 40));
}

}  // namespace
}  // namespace millrace::runtime
