// Goal: where events live by their keys a front cuts up what comes, asks all about what may be
// anywhere, and tells a change when it is in force everywhere; what somebody has not said it does
// not say.
// Method: front_fixture.h.
#include "core/json_dom.h"
#include "runtime/event/partition_of.h"
#include "tests/runtime/node/front_fixture.h"

#include <map>

namespace millrace::runtime::node::front_tests {
namespace {

class FrontKeyTest : public FrontFixture {
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
    Answer& ask(std::string_view line, std::string_view body = {}, std::string_view headers = {},
                bool privately = false) {
        return send(line, "Authorization: Bearer acme\r\n" + std::string(headers), body, privately);
    }
    static std::size_t place(std::string_view key) {
        return partition_of_key("acme", key, kSeed, kPartitions);
    }
    // Two keys of two partitions.
    static std::pair<std::string, std::string> two_keys() {
        for (int i = 1;; ++i) {
            if (place("k" + std::to_string(i)) != place("k0"))
                return {"k0", "k" + std::to_string(i)};
        }
    }
    // Takes whatever comes, as a partition does.
    static std::function<bool(const Seen&, const io::Request&)> taking(io::HttpServer& server) {
        return [&server](const Seen& one, const io::Request& request) {
            if (!one.target.starts_with("/v2/events")) return false;
            core::JsonDom dom;
            auto root = dom.parse(one.body);
            core::JsonArray entries;
            std::size_t count = 1;
            if (root && root->get(entries)) count = entries.size();
            std::string events;
            for (std::size_t i = 0; i < count; ++i)
                events += (i == 0 ? "" : ",") +
                          (R"({"eventId":"x","shard":0,"offset":)" + std::to_string(i) + "}");
            server.respond(request.token, {.status = 202},
                           R"({"success":true,"accepted":)" + std::to_string(count) +
                               R"(,"duplicates":0,"rejected":[],"events":[)" + events + "]}");
            return true;
        };
    }
};

TEST_F(FrontKeyTest, ABatchGoesToTheOwnersOfItsKeys) {
    partitions.answer = taking(*server);
    const auto [a, b] = two_keys();
    const std::string one = R"({"pattern":"p","eventId":"1","partitionKey":")" + a + "\"}";
    const std::string two = R"({"pattern":"p","eventId":"2","partitionKey":")" + b + "\"}";
    const std::string three = R"({"pattern":"p","eventId":"3","partitionKey":")" + a + "\"}";
    Answer& answer = ask("POST /v2/events?ids=1", "[" + one + "," + two + " ,7, " + three + "]");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 202);
    EXPECT_NE(answer.body.find(R"("accepted":3,"duplicates":0,"rejected":[{"index":2,)"),
              std::string::npos)
        << answer.body;
    ASSERT_EQ(partitions.seen.size(), 2u);
    std::map<std::size_t, std::string> bodies;
    for (const Seen& seen : partitions.seen) {
        bodies[seen.partition] = seen.body;
        EXPECT_EQ(seen.target, "/v2/events?ids=1");
        EXPECT_EQ(seen.type, "application/json");
    }
    EXPECT_EQ(bodies[place(a)], "[" + one + "," + three + "]");
    EXPECT_EQ(bodies[place(b)], "[" + two + "]");
    // One partition's goes on as it came.
    partitions.seen.clear();
    const std::string whole = "[" + one + " , " + three + "]";
    Answer& short_cut = ask("POST /v2/events", whole);
    ASSERT_TRUE(until([&] { return short_cut.over; }));
    ASSERT_EQ(partitions.seen.size(), 1u);
    EXPECT_EQ(partitions.seen.front().body, whole);
}

TEST_F(FrontKeyTest, AnEventWithoutAnIdGetsOne) {
    partitions.answer = taking(*server);
    Answer& answer = ask("POST /v2/events", R"({"pattern":"p"})");
    ASSERT_TRUE(until([&] { return answer.over; }));
    ASSERT_EQ(partitions.seen.size(), 1u);
    core::JsonDom dom;
    auto root = dom.parse(partitions.seen.front().body);
    core::JsonElement id;
    std::string_view text;
    ASSERT_TRUE(root && root->find("eventId", id) && id.get(text));
    EXPECT_EQ(partitions.seen.front().partition, place(text));
}

TEST_F(FrontKeyTest, AllOrNoneIsOnePartitionsBusiness) {
    const auto [a, b] = two_keys();
    const std::string body = R"([{"pattern":"p","eventId":"1","partitionKey":")" + a +
                             R"("},{"pattern":"p","eventId":"2","partitionKey":")" + b + "\"}]";
    Answer& answer = ask("POST /v2/events?atomic=1", body);
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_NE(answer.body.find("all or none"), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("entry 1 in " + std::to_string(place(b))), std::string::npos);
    EXPECT_TRUE(partitions.seen.empty());
}

TEST_F(FrontKeyTest, WithoutAnOwnerItsEntriesAreNotTaken) {
    partitions.answer = taking(*server);
    const auto [a, b] = two_keys();
    use({place(b)});
    const std::string body = R"([{"pattern":"p","eventId":"1","partitionKey":")" + a +
                             R"("},{"pattern":"p","eventId":"2","partitionKey":")" + b + "\"}]";
    Answer& answer = ask("POST /v2/events", body);
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 202);
    EXPECT_NE(answer.body.find(R"("accepted":1,"duplicates":0,"rejected":[{"index":1,"error":)"),
              std::string::npos)
        << answer.body;
    EXPECT_NE(answer.body.find("was not taken"), std::string::npos);
}

TEST_F(FrontKeyTest, WhoKnowsAnswersAndNobodyOnlyIfAllSaySo) {
    std::size_t knows = 2;
    bool silent = false;
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.partition == knows) {
            server->respond(request.token, {.status = 200}, R"({"eventId":"e"})");
        } else if (silent && one.partition == 1) {
            const std::array<io::HeaderField, 1> headers{
                {{identity::kFrontAnswerHeader, "not-here"}}};
            server->respond(request.token, {.status = 503, .headers = headers}, "{}");
        } else {
            server->respond_error(request.token,
                                  core::Error(core::ErrorCode::kNotFound, "no event"));
        }
        return true;
    };
    Answer& found = ask("GET /v2/events/e");
    ASSERT_TRUE(until([&] { return found.over; }));
    EXPECT_EQ(found.status, 200);
    EXPECT_EQ(partitions.seen.size(), kPartitions);
    knows = 99;
    Answer& none = ask("GET /v2/events/e");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 404);
    silent = true;
    Answer& unsure = ask("GET /v2/events/e");
    ASSERT_TRUE(until([&] { return unsure.over; }));
    EXPECT_EQ(unsure.status, 503);
}

TEST_F(FrontKeyTest, AListIsOfAllOrNone) {
    bool refuses = false;
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (refuses && one.partition == 3) {
            server->respond_error(request.token,
                                  core::Error(core::ErrorCode::kUnavailable, "the log is away"));
            return true;
        }
        const std::string n = std::to_string(one.partition + 1);
        server->respond(request.token, {.status = 200},
                        R"({"items":[{"n":)" + n + R"(}],"next":null,"places":[{"at":)" + n +
                            R"(,"next":"n0"}],"begin":"n1"})");
        return true;
    };
    Answer& whole = ask("GET /v2/events?limit=3");
    ASSERT_TRUE(until([&] { return whole.over; }));
    EXPECT_EQ(whole.status, 200);
    EXPECT_EQ(whole.body, R"({"items":[{"n":4},{"n":3},{"n":2}],"next":"mn1!-!-!-"})");
    partitions.seen.clear();
    Answer& rest = ask("GET /v2/events?limit=3&cursor=mn1!-!-!-");
    ASSERT_TRUE(until([&] { return rest.over; }));
    ASSERT_EQ(partitions.seen.size(), 1u);
    EXPECT_EQ(partitions.seen.front().target, "/v2/events?limit=3&cursor=n1");
    refuses = true;
    Answer& none = ask("GET /v2/events?limit=3");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 503);
    Answer& bad = ask("GET /v2/events?cursor=n5");
    ASSERT_TRUE(until([&] { return bad.over; }));
    EXPECT_EQ(bad.status, 400);
}

// As an order's: what can not be done at all says more than who is away.
TEST_F(FrontKeyTest, AListsRefusalIsTheOneThatSaysMost) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        server->respond_error(request.token,
                              one.partition == 3
                                  ? core::Error(core::ErrorCode::kValidation, "limit: too many")
                                  : core::Error(core::ErrorCode::kUnavailable, "it is busy"));
        return true;
    };
    for (const std::string_view line : {"GET /v2/events?limit=3", "GET /v2/kv"}) {
        Answer& answer = ask(line);
        ASSERT_TRUE(until([&] { return answer.over; }));
        EXPECT_EQ(answer.status, 400) << line;
        EXPECT_NE(answer.body.find("too many"), std::string::npos) << answer.body;
    }
}

TEST_F(FrontKeyTest, ALinkIsToldByAllWhoHaveIt) {
    const std::size_t home = partition_of_tenant("acme", kSeed, kPartitions);
    const std::size_t other = (home + 1) % kPartitions;
    auto fails = core::ErrorCode::kNotFound;
    bool home_has_it = true;
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.partition == other || (one.partition == home && !home_has_it)) {
            server->respond_error(request.token, core::Error(fails, "no link here"));
        } else {
            server->respond(
                request.token, {.status = 200},
                R"({"id":"l","direction":"out","status":{"state":"running","sent":2}})");
        }
        return true;
    };
    Answer& early = ask("GET /v2/links/l");
    ASSERT_TRUE(until([&] { return early.over; }));
    EXPECT_EQ(early.status, 200) << "one that has not heard of it yet has sent nothing";
    EXPECT_NE(early.body.find(R"("sent":6)"), std::string::npos) << early.body;
    home_has_it = false;
    Answer& none = ask("GET /v2/links/l");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 404);
    home_has_it = true;
    fails = core::ErrorCode::kUnavailable;
    Answer& less = ask("GET /v2/links/l");
    ASSERT_TRUE(until([&] { return less.over; }));
    EXPECT_EQ(less.status, 503) << "what it has sent is not in the sum";
}

TEST_F(FrontKeyTest, AChangeIsToldWhenItIsInForceEverywhere) {
    const std::size_t home = partition_of_tenant("acme", kSeed, kPartitions);
    const std::string follow = "/cluster/follow?home=" + std::to_string(home);
    int behind = 3;
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.target != follow) return false;
        const bool slow = one.partition == (home + 1) % kPartitions && behind-- > 0;
        const std::array<io::HeaderField, 1> headers{{{identity::kFrontAnswerHeader, "not-here"}}};
        server->respond(request.token,
                        slow ? io::ResponseHead{.status = 503, .headers = headers}
                             : io::ResponseHead{.status = 200},
                        "{}");
        return true;
    };
    Answer& answer = ask("POST /v2/scripts", "{}");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(partitions.count(follow), kPartitions - 1 + 3);
    // What changes nothing asks nobody.
    partitions.seen.clear();
    Answer& read = ask("GET /v2/scripts");
    ASSERT_TRUE(until([&] { return read.over; }));
    EXPECT_EQ(partitions.seen.size(), 1u);
}

TEST_F(FrontKeyTest, AChangeThatSomebodyHasNotHeardOfIsSaidToBeSo) {
    const std::size_t home = partition_of_tenant("acme", kSeed, kPartitions);
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (!one.target.starts_with("/cluster/")) return false;
        if (one.partition != (home + 1) % kPartitions) return false;
        server->respond_error(request.token, core::Error(core::ErrorCode::kInternal, "no"));
        return true;
    };
    Answer& answer = ask("POST /v2/scripts", "{}");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(
        answer.body.find("this was taken and is in force in partition " + std::to_string(home)),
        std::string::npos)
        << answer.body;
}

TEST_F(FrontKeyTest, WhoNamesAPartitionAsksThatOneAlone) {
    for (const std::string_view path : {"/v2/dlq/groups", "/v2/kv", "/v2/stats", "/v2/retries"}) {
        partitions.seen.clear();
        Answer& one = ask("GET " + std::string(path) + "?limit=5&partition=3");
        ASSERT_TRUE(until([&] { return one.over; }));
        ASSERT_EQ(partitions.seen.size(), 1u) << path;
        EXPECT_EQ(partitions.seen.front().partition, 3u);
        EXPECT_TRUE(partitions.seen.front().target.starts_with(path));
        EXPECT_EQ(partitions.seen.front().target.find("partition"), std::string::npos);
    }
    for (const std::string_view line :
         {"POST /v2/dlq/replay?partition=3", "POST /v2/dlq/rehearse?partition=3",
          "PATCH /v2/dlq/groups/f?partition=3", "GET /v2/replays?partition=3",
          "GET /v2/config?partition=3", "GET /v2/events/e/trace?partition=3"}) {
        partitions.seen.clear();
        Answer& one = ask(line);
        ASSERT_TRUE(until([&] { return one.over; }));
        ASSERT_EQ(partitions.seen.size(), 1u) << line;
        EXPECT_EQ(partitions.seen.front().partition, 3u) << line;
    }
    Answer& none = ask("GET /v2/stats?partition=4");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 400);
}

TEST_F(FrontKeyTest, StreamsAreOneWithThePlacesOfAll) {
    std::vector<io::StreamToken> streams(kPartitions);
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        const auto stream = server->start_stream(
            request.token, {.status = 200, .content_type = "text/event-stream"});
        streams[one.partition] = *stream;
        server->stream_write(
            *stream, "event: place\nid: 0-" + std::to_string(one.partition) + "\ndata: {}\n\n");
        return true;
    };
    Answer& answer = ask("GET /v2/events/stream");
    ASSERT_TRUE(until([&] { return answer.body.find("id: m0-0!0-1!0-2!0-3\n\n") == 0; }));
    server->stream_write(streams[2], "id: 0-9\ndata: {\"n\":1}\n\n");
    ASSERT_TRUE(until([&] {
        return answer.body.find("id: m0-0!0-1!0-9!0-3\ndata: {\"n\":1}\n\n") != std::string::npos;
    }));
    // One that ends ends it: the client comes back with its place.
    server->end_stream(streams[1]);
    ASSERT_TRUE(until([&] { return answer.over; }));
    partitions.seen.clear();
    ask("GET /v2/events/stream", {}, "Last-Event-ID: m0-0!0-1!0-9!0-3\r\n");
    ASSERT_TRUE(until([&] { return partitions.seen.size() == kPartitions; }));
    Answer& bad = ask("GET /v2/events/stream", {}, "Last-Event-ID: 0-1\r\n");
    ASSERT_TRUE(until([&] { return bad.over; }));
    EXPECT_EQ(bad.status, 400);
}

// Told once, with the place of all; the others have nothing to add.
TEST_F(FrontKeyTest, WhatEndsOnePartitionsStreamEndsAll) {
    std::vector<io::StreamToken> streams(kPartitions);
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        const auto stream = server->start_stream(
            request.token, {.status = 200, .content_type = "text/event-stream"});
        streams[one.partition] = *stream;
        server->stream_write(
            *stream, "event: place\nid: 0-" + std::to_string(one.partition) + "\ndata: {}\n\n");
        return true;
    };
    Answer& answer = ask("GET /v2/events/stream");
    ASSERT_TRUE(until([&] { return answer.body == "id: m0-0!0-1!0-2!0-3\n\n"; }));
    for (const std::size_t p : {1u, 2u}) {
        server->stream_write(streams[p],
                             "event: error\ndata: {\"code\":\"UNAUTHORIZED\",\"message\":\"why\","
                             "\"position\":\"0-7\"}\n\n");
    }
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.body,
              "id: m0-0!0-1!0-2!0-3\n\nevent: error\ndata: {\"code\":\"UNAUTHORIZED\","
              "\"message\":\"why\",\"position\":\"m0-0!0-1!0-2!0-3\"}\n\n");
}

TEST_F(FrontKeyTest, APartitionsProcessIsPassedOnByItsNode) {
    const std::string own = std::string("Millrace-Cluster-Token: ") + kToken +
                            "\r\nMillrace-Relay: 1\r\nMillrace-Partition: 2\r\n";
    Answer& answer = ask("POST /cluster/events", "{}", own, true);
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 200);
    ASSERT_EQ(partitions.seen.size(), 1u);
    EXPECT_EQ(partitions.seen.front().target, "/cluster/events");
}

}  // namespace
}  // namespace millrace::runtime::node::front_tests
