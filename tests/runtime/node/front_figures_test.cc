// Goal: where events live by their keys a front tells what all partitions have as one server would,
// and says whose is missing; what would be wrong without one is refused.
// Method: front_fixture.h.
#include "tests/runtime/node/front_fixture.h"

namespace millrace::runtime::node::front_tests {
namespace {

class FrontFiguresTest : public FrontFixture {
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
};

TEST_F(FrontFiguresTest, FiguresAreOfAllAndSayWhoseAreNotInThem) {
    bool away = false;
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (away && one.partition == 2) {
            server->respond_error(request.token,
                                  core::Error(core::ErrorCode::kUnavailable, "the store is away"));
        } else {
            server->respond(request.token, {.status = 200},
                            R"({"events":{"kept":)" + std::to_string(one.partition) + "}}");
        }
        return true;
    };
    Answer& whole = ask("GET /v2/stats");
    ASSERT_TRUE(until([&] { return whole.over; }));
    EXPECT_EQ(whole.body, R"({"events":{"kept":6}})");
    EXPECT_EQ(partitions.seen.front().places, "1");
    away = true;
    Answer& part = ask("GET /v2/stats");
    ASSERT_TRUE(until([&] { return part.over; }));
    EXPECT_EQ(part.body, R"({"events":{"kept":4},"missing":[2]})");
    away = false;
    use({0, 1});
    Answer& fewer = ask("GET /v2/stats");
    ASSERT_TRUE(until([&] { return fewer.over; }));
    // Who asks is known to partition 0: it was asked before.
    EXPECT_EQ(fewer.body, R"({"events":{"kept":5},"missing":[0,1]})");
}

TEST_F(FrontFiguresTest, WhatIsWrongWithoutOneIsRefused) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.partition == 1) {
            server->respond_error(request.token,
                                  core::Error(core::ErrorCode::kUnavailable, "the store is away"));
            return true;
        }
        server->respond(request.token, {.status = 200}, R"({"items":[],"next":null})");
        return true;
    };
    for (const std::string_view line : {"GET /v2/kv", "GET /v2/retries"}) {
        Answer& none = ask(line);
        ASSERT_TRUE(until([&] { return none.over; }));
        EXPECT_EQ(none.status, 503) << line;
    }
    Answer& preview = ask("POST /v2/subscriptions/preview?events=1000", R"({"pattern":"p"})");
    ASSERT_TRUE(until([&] { return preview.over; }));
    EXPECT_EQ(preview.status, 503);
    EXPECT_EQ(partitions.seen.back().target, "/v2/subscriptions/preview?events=250");
    EXPECT_EQ(partitions.seen.back().body, R"({"pattern":"p"})");
}

TEST_F(FrontFiguresTest, ARefusalOfOneIsTheAnswer) {
    partitions.answer = [&](const Seen&, const io::Request& request) {
        server->respond_error(request.token, core::Error(core::ErrorCode::kForbidden, "no"));
        return true;
    };
    for (const std::string_view line : {"GET /v2/stats", "GET /v2/stats/stream", "GET /v2/log"}) {
        Answer& refused = ask(line);
        ASSERT_TRUE(until([&] { return refused.over; }));
        EXPECT_EQ(refused.status, 403) << line;
    }
}

TEST_F(FrontFiguresTest, TheStreamOfFiguresTellsTheNewestSecondOfAll) {
    partitions.answer = [&](const Seen&, const io::Request& request) {
        server->respond(request.token, {.status = 200},
                        R"({"series":{"at":[7,8],"receivedPerSecond":[1,2]}})");
        return true;
    };
    Answer& answer = ask("GET /v2/stats/stream");
    const std::string one = "data: {\"at\":8,\"receivedPerSecond\":8}\n\n";
    ASSERT_TRUE(until([&] { return answer.body.starts_with(one + one); }));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(partitions.seen.front().target, "/v2/stats?window=3s&step=1s");
}

TEST_F(FrontFiguresTest, ATraceIsAskedForInRounds) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        std::string text;
        if (one.places.empty() && one.partition == 1) {
            text = R"({"event":{"eventId":"b","receivedAt":"2"},"causedBy":"a","deliveries":[],)"
                   R"("causes":[],"caused":[],"truncated":false})";
        } else if (one.places.empty()) {
            server->respond_error(request.token, core::Error(core::ErrorCode::kNotFound, "none"));
            return true;
        } else {
            const bool has = one.partition == 3 && one.places == "effects=b&causes=a";
            text = std::string(R"({"nodes":[)") +
                   (has ? R"({"event":{"eventId":"a","receivedAt":"1"},"causedBy":null},)"
                          R"({"event":{"eventId":"c","receivedAt":"3"},"causedBy":"b"})"
                        : "") +
                   R"(],"truncated":false})";
        }
        server->respond(request.token, {.status = 200}, text);
        return true;
    };
    Answer& trace = ask("GET /v2/events/b/trace");
    ASSERT_TRUE(until([&] { return trace.over; }));
    EXPECT_EQ(trace.status, 200);
    EXPECT_EQ(trace.body,
              R"({"event":{"eventId":"b","receivedAt":"2"},"causedBy":"a","deliveries":[],)"
              R"("partition":1,)"
              R"("causes":[{"event":{"eventId":"a","receivedAt":"1"},"causedBy":null,)"
              R"("partition":3}],"caused":[{"event":{"eventId":"c","receivedAt":"3"},)"
              R"("causedBy":"b","partition":3}],"truncated":false})");
    partitions.answer = [&](const Seen&, const io::Request& request) {
        server->respond_error(request.token, core::Error(core::ErrorCode::kNotFound, "none"));
        return true;
    };
    Answer& none = ask("GET /v2/events/x/trace");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 404);
}

}  // namespace
}  // namespace millrace::runtime::node::front_tests
