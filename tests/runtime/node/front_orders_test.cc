// Goal: an order goes to all partitions or to none: it is judged before it is given, what was begun
// beside a refusal is taken back where it can be, and the client is told what became of it.
// Method: front_fixture.h.
#include "runtime/api/part_order.h"
#include "runtime/event/partition_of.h"
#include "tests/runtime/node/front_fixture.h"

#include <map>

namespace millrace::runtime::node::front_tests {
namespace {

class FrontOrdersTest : public FrontFixture {
protected:
    void begin() override { use({}); }
    // All are here but those.
    void use(std::vector<std::size_t> nowhere) {
        auto routing = std::make_shared<Routing>();
        routing->initialized = true;
        routing->hash_seed = kSeed;
        routing->by_key = true;
        routing->targets.assign(kPartitions, {Target::Where::kHere, upstream, 1});
        for (const std::size_t p : nowhere) routing->targets[p] = {};
        front->use(std::move(routing));
    }
    Answer& ask(std::string_view line, std::string_view body = {}) {
        return send(line, "Authorization: Bearer acme\r\n", body, false);
    }
    static api::PartOrder order_of(const Seen& one) { return *api::read_part_order(one.order); }
    static bool looks(const Seen& one) { return order_of(one).looks; }
    void say(const io::Request& request, int status, std::string_view body) {
        server->respond(request.token, {.status = status}, body);
    }
    // Each has so many events, letters, or whatever is counted.
    std::function<bool(const Seen&, const io::Request&)> counting(std::size_t refuses = kNobody) {
        return [this, refuses](const Seen& one, const io::Request& request) {
            const std::string count = std::to_string(one.partition + 1);
            const bool letters = one.target.starts_with("/v2/dlq");
            if (looks(one)) {
                say(request, 200,
                    letters ? R"({"count":)" + count + R"(,"sample":["l"],"missing":[]})"
                            : R"({"status":null,"count":)" + count + R"(,"ends":[5]})");
            } else if (one.partition == refuses) {
                server->respond_error(request.token,
                                      core::Error(core::ErrorCode::kConflict, "not any more"));
            } else {
                say(request, 202, "{}");
            }
            return true;
        };
    }
    // What was to be done, by partition.
    std::map<std::size_t, Seen> done(std::string_view method = "POST") const {
        std::map<std::size_t, Seen> out;
        for (const Seen& one : partitions.seen) {
            if (one.method == method && !looks(one)) out[one.partition] = one;
        }
        return out;
    }
};

TEST_F(FrontOrdersTest, AReplayIsBegunInAllUnderOneId) {
    partitions.answer = counting();
    Answer& answer = ask("POST /v2/replays", R"({"subscriptionIds":"all","expect":10})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 202) << answer.body;
    const auto begun = done();
    ASSERT_EQ(begun.size(), kPartitions);
    const std::string id = order_of(begun.at(0)).id;
    EXPECT_EQ(answer.body, R"({"id":")" + id + R"(","status":"running"})");
    for (const auto& [partition, seen] : begun) {
        EXPECT_EQ(order_of(seen).id, id);
        EXPECT_EQ(order_of(seen).expect, static_cast<std::int64_t>(partition + 1));
        EXPECT_EQ(seen.body, R"({"subscriptionIds":"all","expect":10})");
    }
}

TEST_F(FrontOrdersTest, WhatIsNotAsExpectedIsNotBegun) {
    partitions.answer = counting();
    Answer& answer = ask("POST /v2/replays", R"({"subscriptionIds":"all","expect":9})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 409);
    EXPECT_NE(answer.body.find("expect is 9, and 10 events would be replayed"), std::string::npos);
    EXPECT_TRUE(done().empty());
}

TEST_F(FrontOrdersTest, WithoutAnOwnerNothingIsBegun) {
    partitions.answer = counting();
    use({2});
    Answer& replay = ask("POST /v2/replays", R"({"subscriptionIds":"all"})");
    Answer& letters = ask("POST /v2/dlq/replay", "{}");
    ASSERT_TRUE(until([&] { return replay.over && letters.over; }));
    for (const Answer* answer : {&replay, &letters}) {
        EXPECT_EQ(answer->status, 503);
        EXPECT_NE(answer->body.find("nobody owns partition 2 at the moment: nothing was done"),
                  std::string::npos)
            << answer->body;
    }
    EXPECT_TRUE(done().empty());
}

TEST_F(FrontOrdersTest, WhoHasNoOwnerIsNamedBeforeWhoWaitsForIt) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.partition != 0) return counting()(one, request);
        server->respond_error(request.token,
                              core::Error(core::ErrorCode::kUnavailable, "its home is away"));
        return true;
    };
    use({2});
    Answer& answer = ask("POST /v2/dlq/replay", "{}");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_NE(answer.body.find("nobody owns partition 2"), std::string::npos) << answer.body;
}

TEST_F(FrontOrdersTest, WhereOneRefusesTheOthersAreCancelled) {
    partitions.answer = counting(3);
    Answer& answer = ask("POST /v2/replays", R"({"subscriptionIds":"all"})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 409);
    EXPECT_NE(answer.body.find("not any more; what replay rp_"), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("had begun in partitions 0, 1 and 2 was cancelled"),
              std::string::npos);
    const auto cancelled = done("DELETE");
    EXPECT_EQ(cancelled.size(), 3u);
    EXPECT_EQ(cancelled.begin()->second.target, "/v2/replays/" + order_of(done().at(0)).id);
}

TEST_F(FrontOrdersTest, AReplayIsToldAsOne) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.partition == 1) {
            server->respond_error(request.token, core::Error(core::ErrorCode::kNotFound, "none"));
        } else if (one.method == "DELETE" && one.partition == 2) {
            server->respond_error(request.token, core::Error(core::ErrorCode::kConflict, "over"));
        } else {
            say(request, 200, R"({"id":"r","status":"cancelled","scanned":2,"delivered":1})");
        }
        return true;
    };
    Answer& one = ask("GET /v2/replays/r");
    ASSERT_TRUE(until([&] { return one.over; }));
    EXPECT_NE(one.body.find(R"("status":"cancelled","scanned":6,)"), std::string::npos) << one.body;
    Answer& gone = ask("DELETE /v2/replays/r");
    ASSERT_TRUE(until([&] { return gone.over; }));
    EXPECT_EQ(gone.status, 200);
    EXPECT_NE(gone.body.find(R"("delivered":3)"), std::string::npos) << gone.body;
    // One is asked for by its number too.
    partitions.seen.clear();
    Answer& named = ask("GET /v2/replays/r?partition=3");
    ASSERT_TRUE(until([&] { return named.over; }));
    EXPECT_EQ(partitions.seen.size(), 1u);
}

TEST_F(FrontOrdersTest, DeadLettersOfAllGoBackAtOnce) {
    partitions.answer = counting();
    Answer& dry = ask("POST /v2/dlq/replay", R"({"dryRun":true})");
    ASSERT_TRUE(until([&] { return dry.over; }));
    EXPECT_EQ(dry.body, R"({"success":true,"dryRun":true,"count":10,"sample":["l","l","l","l"]})");
    EXPECT_TRUE(done().empty());
    Answer& answer = ask("POST /v2/dlq/replay", R"({"expect":10,"ratePerSecond":20})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(answer.body, R"({"success":true,"accepted":10})");
    EXPECT_EQ(order_of(done().at(2)).per_second, 6.0);
    partitions.seen.clear();
    partitions.answer = counting(1);
    Answer& torn = ask("POST /v2/dlq/replay", "{}");
    ASSERT_TRUE(until([&] { return torn.over; }));
    EXPECT_EQ(torn.status, 409);
    EXPECT_NE(torn.body.find("not any more; those of partitions 0, 2 and 3 are on their way"),
              std::string::npos)
        << torn.body;
}

TEST_F(FrontOrdersTest, AGroupIsMarkedEverywhereOnceSomebodyKnowsIt) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (looks(one) && one.partition != 2)
            server->respond_error(request.token, core::Error(core::ErrorCode::kNotFound, "none"));
        else
            say(request, 200, R"({"state":"ignored"})");
        return true;
    };
    Answer& answer = ask("PATCH /v2/dlq/groups/f", R"({"state":"ignored"})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 200);
    const auto marked = done("PATCH");
    ASSERT_EQ(marked.size(), kPartitions);
    EXPECT_EQ(order_of(marked.at(0)).at_us, order_of(marked.at(3)).at_us);
}

TEST_F(FrontOrdersTest, ASubscriptionIsAtItsNewPlaceEverywhereBeforeItRuns) {
    const std::size_t home = partition_of_tenant("acme", kSeed, kPartitions);
    Answer& there = ask("POST /v2/subscriptions/s/resume", "{}");
    ASSERT_TRUE(until([&] { return there.over; }));
    EXPECT_EQ(there.status, 200);
    EXPECT_EQ(partitions.count("/v2/subscriptions/s/resume"), 1u);
    partitions.seen.clear();
    Answer& elsewhere = ask("POST /v2/subscriptions/s/resume", R"({"from":"m0-1!0-2!0-3!0-4"})");
    ASSERT_TRUE(until([&] { return elsewhere.over; }));
    EXPECT_EQ(elsewhere.status, 200) << elsewhere.body;
    std::vector<std::size_t> order;
    for (const Seen& one : partitions.seen) {
        if (one.order.empty() || looks(one)) continue;
        order.push_back(one.partition);
        EXPECT_EQ(order_of(one).from, "0-" + std::to_string(one.partition + 1));
        EXPECT_EQ(order_of(one).at_home, one.partition == home);
    }
    ASSERT_EQ(order.size(), kPartitions);
    EXPECT_EQ(order.back(), home);
}

TEST_F(FrontOrdersTest, TheHomeOfASubscriptionIsToldHowManyGiveItAgain) {
    const std::size_t home = partition_of_tenant("acme", kSeed, kPartitions);
    const std::size_t begins = (home + 1) % kPartitions, not_there = (home + 2) % kPartitions;
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        const bool does = !one.order.empty() && !looks(one);
        say(request, 200,
            does && one.partition == begins      ? R"({"begun":true})"
            : does && one.partition == not_there ? R"({"begun":false,"why":"\"begun\" before"})"
                                                 : "{}");
        return true;
    };
    Answer& answer = ask("POST /v2/subscriptions/s/resume", R"({"from":"m0-1!0-2!0-3!0-4"})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    const auto doing = done();
    ASSERT_TRUE(doing.contains(home));
    EXPECT_EQ(order_of(doing.at(home)).total, 1u);
}

TEST_F(FrontOrdersTest, ARemovalTellsWhatWaitedInAll) {
    const std::size_t home = partition_of_tenant("acme", kSeed, kPartitions);
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.method != "DELETE") return false;
        EXPECT_EQ(one.order.empty(), one.partition == home);
        say(request, 200, R"({"success":true,"deadLettered":3,"discarded":0})");
        return true;
    };
    Answer& answer = ask("DELETE /v2/subscriptions/s");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.body, R"({"success":true,"deadLettered":12,"discarded":0})");
    EXPECT_EQ(partitions.count("/cluster/follow?home=" + std::to_string(home)), kPartitions - 1);
}

}  // namespace
}  // namespace millrace::runtime::node::front_tests
