// Goal: a partition looks without doing, and does its part of an order as it is told; whoever gives
// a replay an id can ask for it again.
#include "runtime/api/part_order.h"

#include "runtime/identity/trusted_front.h"
#include "tests/runtime/api/api_fixture.h"

namespace millrace::runtime::api::test {
namespace {

class PartOrderTest : public ApiTest {
protected:
    void tell(const PartOrder& part) {
        headers = {{std::string(identity::kFrontOrderHeader), part_order_text(part)}};
    }
    static PartOrder looking() {
        PartOrder part;
        part.looks = true;
        part.id = "rp_7";
        return part;
    }
    static bool has(const ApiResponse& answer, std::string_view text) {
        return answer.body.find(text) != std::string::npos;
    }
};

TEST_F(PartOrderTest, ReadsAsItWasWritten) {
    PartOrder part;
    part.id = "rp_7";
    part.at_home = true;
    part.from = "0-17";
    part.at_us = 5;
    part.parts = 6;
    part.total = 90;
    part.expect = 12;
    part.per_second = 1.5;
    part.ends = {core::LogOffset{9}};
    const auto read = read_part_order(part_order_text(part));
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->there && read->at_home && !read->looks);
    EXPECT_EQ(read->id, "rp_7");
    EXPECT_EQ(read->from, "0-17");
    EXPECT_EQ(read->at_us, 5);
    EXPECT_EQ(read->parts, 6u);
    EXPECT_EQ(read->total, 90u);
    EXPECT_EQ(read->expect, 12);
    EXPECT_EQ(read->per_second, 1.5);
    EXPECT_EQ(read->ends, part.ends);
    EXPECT_FALSE(read_part_order("")->there);
    EXPECT_FALSE(read_part_order("{\"who\":1}"));
}

TEST_F(PartOrderTest, AReplayIsLookedAtAndThenBegunAsFarAsWasLooked) {
    subscribe("u");
    for (int n = 0; n < 3; ++n) log_event(R"({"pattern":"a.b"})");
    const std::string body = R"({"subscriptionIds":"all","pattern":"a.b","expect":99,"pace":12})";
    tell(looking());
    const ApiResponse looked = post("/v2/replays", body);
    EXPECT_EQ(looked.status, 200);
    EXPECT_TRUE(has(looked, R"({"status":null,"count":3,"ends":[)")) << looked.body;
    EXPECT_TRUE(services->replay_specs.empty());
    PartOrder part;
    part.id = "rp_7";
    part.at_us = 77;
    part.parts = 4;
    part.expect = 3;
    for (std::size_t i = 0; i < database_->shards(); ++i)
        part.ends.push_back(database_->durable_end(core::ShardId(static_cast<std::uint16_t>(i))));
    tell(part);
    log_event(R"({"pattern":"a.b"})");  // came later: it is none of it
    EXPECT_EQ(post("/v2/replays", body).status, 202);
    ASSERT_EQ(services->replay_specs.size(), 1u);
    const ReplaySpec& spec = services->replay_specs[0];
    EXPECT_EQ(spec.id, "rp_7");
    EXPECT_EQ(spec.created_at_us, 77);
    EXPECT_EQ(spec.events_per_second, 3);
    EXPECT_EQ(spec.counted_to, part.ends);
    part.expect = 4;
    tell(part);
    EXPECT_EQ(post("/v2/replays", body).status, 409);
}

TEST_F(PartOrderTest, AnIdIsTheClientsIfItReads) {
    subscribe("u");
    EXPECT_EQ(post("/v2/replays", R"({"subscriptionIds":"all","id":"mine"})").status, 202);
    EXPECT_EQ(services->replay_specs.back().id, "mine");
    for (const char* bad :
         {R"("id":"a/b")", R"("id":"")", R"("id":"rpn_1")", R"("id":"mine","newIds":true)"}) {
        EXPECT_EQ(
            post("/v2/replays", R"({"subscriptionIds":"all",)" + std::string(bad) + "}").status,
            400)
            << bad;
    }
}

TEST_F(PartOrderTest, LettersThatAreElsewhereAreToldNotRefused) {
    const std::string body = R"({"ids":["nobodys"],"ratePerSecond":10})";
    EXPECT_EQ(post("/v2/dlq/replay", body).status, 404);
    tell(looking());
    const ApiResponse looked = post("/v2/dlq/replay", body);
    EXPECT_EQ(looked.status, 200);
    EXPECT_TRUE(has(looked, R"("count":0,"sample":[],"missing":["nobodys"])")) << looked.body;
    PartOrder part;
    part.per_second = 2.5;
    part.expect = 0;
    tell(part);
    EXPECT_EQ(post("/v2/dlq/replay", body).status, 202);
    EXPECT_EQ(services->redriven_per_second, 2.5);
    part.expect = 1;
    tell(part);
    EXPECT_EQ(post("/v2/dlq/replay", body).status, 409);
}

TEST_F(PartOrderTest, AGroupIsMarkedWhereItHasNoLettersYet) {
    const std::string body = R"({"state":"ignored"})";
    const auto patch = [&] { return call(io::Method::kPatch, "/v2/dlq/groups/f1", body); };
    EXPECT_EQ(patch().status, 404);
    tell(looking());
    EXPECT_EQ(patch().status, 404);
    PartOrder part;
    part.at_us = 1'700'000'000'000'000;
    tell(part);
    const ApiResponse marked = patch();
    EXPECT_EQ(marked.status, 200);
    EXPECT_TRUE(has(marked, R"("stateAt":"2023-11-14T22:13:20)")) << marked.body;
}

TEST_F(PartOrderTest, ACopyGoesToAPlaceAndItsHomeLetsItRun) {
    subscribe("u");
    ASSERT_EQ(post("/v2/subscriptions/u/pause", "{}").status, 200);
    const std::string path = "/v2/subscriptions/u/resume", body = R"({"from":"skip"})";
    tell(looking());
    EXPECT_EQ(post(path, body).status, 200);
    EXPECT_EQ(post(path, R"({"from":"somewhere"})").status, 400);
    EXPECT_TRUE(services->skipped.empty());
    tell({});
    EXPECT_EQ(post(path, body).status, 200);
    EXPECT_FALSE(services->skipped.empty());
    headers.clear();
    EXPECT_TRUE(has(get("/v2/subscriptions/u"), R"("paused":true)"));
    PartOrder home;
    home.at_home = true;
    home.id = "rp_7";
    home.total = 1;
    tell(home);
    const ApiResponse resumed = post(path, body);
    EXPECT_TRUE(has(resumed, R"("paused":false)")) << resumed.body;
    ASSERT_FALSE(resumed.headers.empty());
    EXPECT_EQ(resumed.headers.back().second, "/v2/replays/rp_7");
}

TEST_F(PartOrderTest, ACopySaysHowMuchWasClearedAway) {
    services->cleared = 7;
    tell(looking());
    const auto remove = [&](const char* waiting) {
        return call(io::Method::kDelete, std::string("/v2/subscriptions/u?waiting=") + waiting);
    };
    EXPECT_EQ(remove("discard").body, R"({"success":true,"deadLettered":0,"discarded":7})");
    EXPECT_EQ(remove("dead-letter").body, R"({"success":true,"deadLettered":7,"discarded":0})");
    EXPECT_EQ(remove("what").status, 400);
}

}  // namespace
}  // namespace millrace::runtime::api::test
