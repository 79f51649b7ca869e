// Goal: which events go first is said by the setting that held when they came, whatever it is now,
// so that none is left out or sent twice. Method: settings changed at offsets by hand.
#include "runtime/hub/urgent_events.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::hub {
namespace {

UrgentEvents again(const UrgentEvents& urgent) {
    auto read = UrgentEvents::read(urgent.json());
    EXPECT_TRUE(read) << urgent.json();
    return read ? *read : UrgentEvents();
}

TEST(UrgentEvents, AreThoseOfThePatterns) {
    UrgentEvents urgent;
    EXPECT_FALSE(*urgent.change("", {0, 0}));
    EXPECT_FALSE(urgent.any());
    EXPECT_TRUE(*urgent.change("alarm.*, door.open", {0, 0}));
    for (const UrgentEvents& one : {urgent, again(urgent)}) {
        EXPECT_TRUE(one.any());
        EXPECT_TRUE(one.is(0, 0, "alarm.fire"));
        EXPECT_TRUE(one.is(1, 9, "door.open"));
        EXPECT_FALSE(one.is(0, 0, "door.opened"));
        EXPECT_FALSE(one.is(0, 0, "temp"));
    }
    // The same, written otherwise.
    EXPECT_FALSE(*urgent.change(" alarm.* ,door.open,", {7, 7}));
}

TEST(UrgentEvents, AChangeHoldsForWhatComesFromThenOn) {
    UrgentEvents urgent;
    ASSERT_TRUE(*urgent.change("a", {10, 20}));
    ASSERT_TRUE(*urgent.change("b", {30, 20}));
    ASSERT_TRUE(*urgent.change("", {50, 60}));
    for (const UrgentEvents& one : {urgent, again(urgent)}) {
        EXPECT_FALSE(one.is(0, 9, "a"));  // before there was any
        EXPECT_TRUE(one.is(0, 10, "a") && one.is(0, 29, "a"));
        EXPECT_FALSE(one.is(0, 30, "a"));
        EXPECT_TRUE(one.is(0, 30, "b") && one.is(0, 49, "b"));
        EXPECT_FALSE(one.is(0, 50, "b"));
        EXPECT_TRUE(one.is(1, 20, "b"));
        EXPECT_EQ(one.begin(0), 10u);
        EXPECT_EQ(one.begin(1), 20u);
        EXPECT_TRUE(one.any());
    }
}

TEST(UrgentEvents, WhatTheLogHasNoMoreIsForgotten) {
    UrgentEvents urgent;
    ASSERT_TRUE(*urgent.change("a", {10, 20}));
    ASSERT_TRUE(*urgent.change("b", {30, 40}));
    ASSERT_TRUE(*urgent.change("", {50, 60}));
    EXPECT_FALSE(urgent.forget_before({30, 39}));
    EXPECT_TRUE(urgent.forget_before({30, 40}));
    EXPECT_FALSE(urgent.is(0, 20, "a"));
    EXPECT_TRUE(urgent.is(0, 30, "b"));
    EXPECT_TRUE(urgent.forget_before({50, 60}));
    EXPECT_FALSE(urgent.any());
    EXPECT_EQ(urgent.json(), R"({"eras":[]})");
}

TEST(UrgentEvents, TellWhatIsWrong) {
    EXPECT_FALSE(UrgentEvents::patterns_of("a,b**"));
    std::string many;
    for (std::size_t i = 0; i <= UrgentEvents::kPatternsMax; ++i)
        many += "a" + std::to_string(i) + ",";
    EXPECT_FALSE(UrgentEvents::patterns_of(many));
    EXPECT_TRUE(UrgentEvents::patterns_of(" a , ,b"));
    for (const char* row :
         {"", "{}", R"({"eras":7})", R"({"eras":[7]})", R"({"eras":[{"from":[-1]}]})",
          R"({"eras":[{"patterns":"a**"}]})", R"({"eras":[],"x":1})"})
        EXPECT_FALSE(UrgentEvents::read(row)) << row;
    UrgentEvents urgent;
    for (std::size_t i = 0; i < UrgentEvents::kErasMax; ++i)
        EXPECT_TRUE(*urgent.change("p" + std::to_string(i), {i}));
    EXPECT_FALSE(urgent.change("more", {99}));
    EXPECT_TRUE(urgent.is(0, 99, "p15"));
}

}  // namespace
}  // namespace millrace::runtime::hub
