// Goal: an order to all partitions is judged by their sum before anything is begun, and each gets
// its own part of it.
#include "runtime/node/order_plan.h"

#include "runtime/delivery/delivery_id.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

std::vector<PartPage> looks_of(const std::vector<std::string>& bodies) {
    std::vector<PartPage> looks;
    for (std::size_t i = 0; i < bodies.size(); ++i) looks.push_back({i, bodies[i]});
    return looks;
}

TEST(OrderPlan, AReplayHasOneIdAndEachPartExpectsItsOwn) {
    const ReplayAsked asked = read_replay_asked(R"({"subscriptionIds":"all","expect":12})");
    EXPECT_TRUE(asked.id.starts_with(kReplayPrefix)) << asked.id;
    const std::vector<std::string> bodies = {R"({"status":null,"count":5,"ends":[9]})",
                                             R"({"status":null,"count":7,"ends":[4]})"};
    const auto plan = plan_replay(asked, looks_of(bodies), 77);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->orders.size(), 2u);
    EXPECT_TRUE(plan->begun_before.empty());
    EXPECT_EQ(plan->orders[0].id, asked.id);
    EXPECT_EQ(plan->orders[1].id, asked.id);
    EXPECT_EQ(plan->orders[0].expect, 5);
    EXPECT_EQ(plan->orders[1].expect, 7);
    EXPECT_EQ(plan->orders[1].at_us, 77);
    EXPECT_EQ(plan->orders[1].parts, 2u);
    EXPECT_EQ(plan->orders[1].ends, std::vector<core::LogOffset>{core::LogOffset{4}});
}

TEST(OrderPlan, WhatIsExpectedIsHeldAgainstTheSum) {
    const ReplayAsked asked = read_replay_asked(R"({"id":"mine","expect":11})");
    EXPECT_EQ(asked.id, "mine");
    const std::vector<std::string> bodies = {R"({"status":null,"count":5,"ends":[9]})",
                                             R"({"status":null,"count":7,"ends":[4]})"};
    const auto plan = plan_replay(asked, looks_of(bodies), 77);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, core::ErrorCode::kConflict);
    EXPECT_EQ(plan.error().field, "expect");
    EXPECT_EQ(plan.error().message,
              "expect is 11, and 12 events would be replayed; nothing was begun");
}

TEST(OrderPlan, AskedAgainAReplayIsNotBegunTwice) {
    const ReplayAsked asked = read_replay_asked(R"({"id":"mine","expect":11})");
    const std::vector<std::string> both = {R"({"status":"running","count":5,"ends":[9]})",
                                           R"({"status":"completed","count":0,"ends":[4]})"};
    const auto again = plan_replay(asked, looks_of(both), 77);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->begun_before, "running");
    // One that was begun in some of them only goes on in the others, if it is still what was meant.
    const std::vector<std::string> one = {R"({"status":"running","count":5,"ends":[9]})",
                                          R"({"status":null,"count":6,"ends":[4]})"};
    const auto rest = plan_replay(asked, looks_of(one), 77);
    ASSERT_TRUE(rest);
    EXPECT_TRUE(rest->begun_before.empty());
    EXPECT_EQ(rest->orders.size(), 2u);
}

TEST(OrderPlan, NewIdsAreSaidByTheReplaysId) {
    EXPECT_TRUE(read_replay_asked(R"({"newIds":true})").id.starts_with(kNewIdsReplayPrefix));
    EXPECT_TRUE(read_replay_asked(R"({"new_ids":true})").id.starts_with(kNewIdsReplayPrefix));
    EXPECT_NE(read_replay_asked("{}").id, read_replay_asked("{}").id);
    EXPECT_FALSE(read_replay_asked("{broken").id.empty());
}

TEST(OrderPlan, DeadLettersAreCountedInAllAndTheRateIsShared) {
    const RedriveAsked asked = read_redrive_asked(R"({"ratePerSecond":8,"expect":4})");
    const std::vector<std::string> bodies = {
        R"({"count":1,"sample":["a"],"missing":[]})", R"({"count":0,"sample":[],"missing":[]})",
        R"({"count":3,"leftOut":2,"sample":["b","c","d"],"missing":[]})"};
    const auto plan = plan_redrive(asked, looks_of(bodies));
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->count, 4u);
    EXPECT_EQ(plan->left_out, 2u);
    EXPECT_EQ(plan->orders[0].per_second, 2.0);
    EXPECT_FALSE(plan->orders[1].per_second);
    EXPECT_EQ(plan->orders[1].expect, 0);
    EXPECT_EQ(plan->orders[2].per_second, 6.0);
    EXPECT_EQ(plan->orders[2].total, 4u);
    EXPECT_EQ(plan->would_be,
              R"({"success":true,"dryRun":true,"count":4,"leftOut":2,"sample":["a","b","c","d"]})");
    const auto other = plan_redrive(read_redrive_asked(R"({"expect":5})"), looks_of(bodies));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message,
              "expect is 5, and 4 dead letters would be replayed; nothing was done");
}

TEST(OrderPlan, ALetterThatNobodyHasIsMissing) {
    const std::vector<std::string> found = {R"({"count":1,"sample":[],"missing":["y"]})",
                                            R"({"count":1,"sample":[],"missing":["x"]})"};
    EXPECT_TRUE(plan_redrive({}, looks_of(found)));
    const std::vector<std::string> none = {R"({"count":1,"sample":[],"missing":["y"]})",
                                           R"({"count":0,"sample":[],"missing":["x","y"]})"};
    const auto plan = plan_redrive({}, looks_of(none));
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, core::ErrorCode::kNotFound);
    const std::vector<std::string> held = {R"({"count":0,"leftOut":3,"sample":[],"missing":[]})"};
    EXPECT_FALSE(plan_redrive({}, looks_of(held)));
    EXPECT_TRUE(plan_redrive({.dry_run = true, .expect = {}, .per_second = 0}, looks_of(held)));
}

TEST(OrderPlan, ARehearsalTakesOfEachInTurn) {
    const std::vector<std::string> bodies = {
        R"({"items":[{"id":1,"outcome":"passed"},{"id":2,"outcome":"failed"}],"outOfTime":false})",
        R"({"items":[{"id":3,"outcome":"skipped"}],"outOfTime":true})"};
    const auto two = merge_rehearsals(looks_of(bodies), 2);
    ASSERT_TRUE(two);
    EXPECT_EQ(*two, R"({"sampled":2,"passed":1,"failed":0,"skipped":1,"passRate":1,)"
                    R"("outOfTime":true,"items":[{"id":1,"outcome":"passed"},)"
                    R"({"id":3,"outcome":"skipped"}]})");
    const auto all = merge_rehearsals(looks_of(bodies), 20);
    ASSERT_TRUE(all);
    EXPECT_NE(all->find(R"("sampled":3,"passed":1,"failed":1,"skipped":1,"passRate":0.5)"),
              std::string::npos);
    EXPECT_EQ(read_sample(R"({"sample":7})"), 7u);
    EXPECT_EQ(read_sample(""), 20u);
}

TEST(OrderPlan, WhatWaitedForASubscriptionIsAddedUp) {
    const std::vector<std::string> others = {R"({"success":true,"deadLettered":2,"discarded":0})",
                                             R"({"success":true,"deadLettered":3,"discarded":0})"};
    EXPECT_EQ(
        merge_removals(R"({"success":true,"deadLettered":1,"discarded":0})", looks_of(others)),
        R"({"success":true,"deadLettered":6,"discarded":0})");
    EXPECT_EQ(merge_removals(R"({"success":true})", looks_of(others)), R"({"success":true})");
}

TEST(OrderPlan, ASubscriptionGoesToAPlaceInEachPartition) {
    EXPECT_FALSE(read_resume_asked("", 2)->elsewhere);
    EXPECT_FALSE(read_resume_asked(R"({"from":"here"})", 2)->elsewhere);
    const auto moment = read_resume_asked(R"({"from":"-1h"})", 2);
    EXPECT_TRUE(moment->elsewhere && moment->places.empty() && !moment->id.empty());
    EXPECT_EQ(read_resume_asked(R"({"from":"m0-1!0-2"})", 2)->places,
              (std::vector<std::string>{"0-1", "0-2"}));
    EXPECT_FALSE(read_resume_asked(R"({"from":"m0-1"})", 2));
    EXPECT_FALSE(read_resume_asked(R"({"from":"m0-1!"})", 2));
}

TEST(OrderPlan, RefusalsKeepTheirCodeAndSayMore) {
    const std::string told = refusal_with(
        R"({"success":false,"error":{"message":"no","code":"CONFLICT","statusCode":409,"details":{"field":"expect"}}})",
        "; partition 1 has begun");
    EXPECT_EQ(told, R"({"success":false,"error":{"message":"no; partition 1 has begun",)"
                    R"("code":"CONFLICT","statusCode":409,"details":{"field":"expect"}}})");
    EXPECT_NE(refusal_with("", "; x").find("\"statusCode\":503"), std::string::npos);
    const std::vector<std::size_t> one = {3}, three = {0, 2, 5};
    EXPECT_EQ(partitions_text(one), "partition 3");
    EXPECT_EQ(partitions_text(three), "partitions 0, 2 and 5");
}

}  // namespace
}  // namespace millrace::runtime::node
