// Goal: a run that is begun by the API has an id before it has a partition, and keeps what else was
// said of it.
#include "runtime/node/run_place.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

TEST(RunPlace, AnIdThatWasGivenIsKeptAndTheBodyGoesOnAsItCame) {
    IdMaker ids("fr_");
    for (const char* body : {R"({"runId":"r1","input":{"a":1}})", R"({"run_id":"r1"})"}) {
        const auto placed = place_run(body, ids);
        ASSERT_TRUE(placed) << body;
        EXPECT_EQ(placed->run_id, "r1");
        EXPECT_FALSE(placed->body);
    }
}

TEST(RunPlace, WithoutOneItGetsOne) {
    IdMaker ids("fr_");
    auto placed = place_run("", ids);
    ASSERT_TRUE(placed);
    EXPECT_EQ(placed->run_id, "run_fr_1");
    EXPECT_EQ(placed->body, R"({"runId":"run_fr_1"})");
    placed = place_run(R"( {"input": {"a": [1.50]}, "version": 3} )", ids);
    ASSERT_TRUE(placed);
    EXPECT_EQ(placed->body, R"({"runId":"run_fr_2","input":{"a":[1.50]},"version":3})");
}

TEST(RunPlace, WhatDoesNotReadIsForWhoeverRefusesIt) {
    IdMaker ids("fr_");
    for (const char* body : {"[]", "{", "7", R"({"runId":7})", R"({"runId":""})"})
        EXPECT_FALSE(place_run(body, ids)) << body;
}

}  // namespace
}  // namespace millrace::runtime::node
