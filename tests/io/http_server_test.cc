// Goal: what the server promises beyond the grammar: order of answers, deadlines, bounded memory,
// streams, clients that vanish, drain. Method: one body per promise, run on memory, epoll and
// io_uring.
#include "io/http_server.h"

#include "tests/io/edge_world.h"

namespace millrace::io {
namespace {

class Holder final : public HttpHandler {
public:
    HttpServer* server = nullptr;
    bool answer_at_once = false;
    std::function<void(const Request&, HeadDecision&)> head;
    std::vector<RequestToken> tokens;
    std::vector<std::string> paths;
    std::vector<core::BufferRef> bodies;
    std::size_t drains = 0, closes = 0;

    void on_head(const Request& request, HeadDecision& decision) override {
        if (head) head(request, decision);
    }
    void on_request(Request& request) override {
        tokens.push_back(request.token);
        paths.emplace_back(request.path);
        bodies.push_back(request.body);
        if (answer_at_once) server->respond(request.token, ResponseHead{}, request.path);
    }
    void on_stream_drain(StreamToken) override { ++drains; }
    void on_stream_close(StreamToken) override { ++closes; }
};

std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
std::string post(std::size_t bytes) {
    return "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}
std::string pattern(std::size_t bytes) {
    std::string text(bytes, ' ');
    for (std::size_t i = 0; i < bytes; ++i)
        text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    return text;
}
std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size()))
        ++n;
    return n;
}

class HttpServerTest : public testing::TestWithParam<World> {
protected:
    void serve(const HttpLimits& limits = {}) {
        server = std::make_unique<HttpServer>(*world.reactor, handler, limits);
        handler.server = server.get();
        auto bound =
            server->listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst, world.transforms());
        ASSERT_TRUE(bound) << bound.error().message;
        address = *bound;
    }
    bool pump(const std::function<bool()>& condition) { return world.pump_until(condition); }
    bool requests(std::size_t n) {
        return pump([&] { return handler.tokens.size() >= n; });
    }
    bool answer(std::size_t index, std::string_view body) {
        return server->respond(handler.tokens[index], ResponseHead{}, body);
    }

    EdgeWorld world{GetParam()};
    Holder handler;
    std::unique_ptr<HttpServer> server;
    Address address;
};

TEST_P(HttpServerTest, KeepsTheOrderOfRequestsWhateverTheOrderOfAnswers) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/0") + get("/1") + get("/2") + get("/3"));
    ASSERT_TRUE(requests(4));
    EXPECT_TRUE(answer(2, "two"));
    EXPECT_TRUE(answer(3, std::string(5000, '3')));
    world.settle();
    EXPECT_EQ(world.received(client), "");
    EXPECT_TRUE(answer(0, "zero"));
    EXPECT_TRUE(answer(1, "one"));
    EXPECT_FALSE(answer(1, "again"));
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("3"); }));
    const std::string& text = world.received(client);
    EXPECT_LT(text.find("zero"), text.find("one"));
    EXPECT_LT(text.find("one"), text.find("two"));
    EXPECT_LT(text.find("two"), text.find("333"));
}

TEST_P(HttpServerTest, SendsContinueOnlyWhileTheBodyIsMissing) {
    serve();
    handler.answer_at_once = true;
    const int client = world.connect(address);
    const std::string head =
        "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    world.write(client, head);
    ASSERT_TRUE(pump([&] { return world.received(client) == "HTTP/1.1 100 Continue\r\n\r\n"; }));
    world.write(client, "abc" + head + "abc");
    ASSERT_TRUE(requests(2));
    world.settle();
    EXPECT_EQ(count(world.received(client), "100 Continue"), 1u);
}

TEST_P(HttpServerTest, SaysContinueAfterTheAnswersBefore) {
    serve();
    const int client = world.connect(address);
    world.write(
        client,
        get("/0") +
            "POST /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ASSERT_TRUE(requests(1));
    world.settle();
    EXPECT_EQ(world.received(client), "");
    answer(0, "zero");
    ASSERT_TRUE(pump([&] { return count(world.received(client), "100 Continue") == 1; }));
    EXPECT_LT(world.received(client).find("zero"), world.received(client).find("100 Continue"));
}

TEST_P(HttpServerTest, TakesLargeBodiesWhole) {
    serve();
    handler.answer_at_once = true;
    const int client = world.connect(address);
    for (const std::size_t bytes : {345'000u, 33'000u, 5'000'000u, 100u, 70'000u}) {
        const std::size_t before = handler.bodies.size();
        const std::string body = pattern(bytes);
        world.write(client, post(bytes) + body + get("/next"));
        ASSERT_TRUE(requests(before + 2)) << bytes;
        ASSERT_TRUE(handler.bodies[before]);
        EXPECT_EQ(handler.bodies[before].view(), body);
        EXPECT_EQ(handler.paths.back(), "/next");
    }
}

TEST_P(HttpServerTest, TakesLargeChunkedBodiesWhole) {
    serve();
    const int client = world.connect(address);
    const std::string body = pattern(300'000);
    std::string text = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < body.size(); at += 10'000)
        text += "2710\r\n" + body.substr(at, 10'000) + "\r\n";
    world.write(client, text + "0\r\n\r\n");
    ASSERT_TRUE(requests(1));
    EXPECT_EQ(handler.bodies[0].view(), body);
}

TEST_P(HttpServerTest, SendsLargeAnswersToSlowReaders) {
    serve();
    const int client = world.connect(address);
    world.stop_reading(client);
    world.write(client, get("/big"));
    ASSERT_TRUE(requests(1));
    const std::string body = pattern(9'000'000);
    BodyWriter writer = server->body_writer();
    writer.append(body);
    EXPECT_TRUE(server->respond(handler.tokens[0], ResponseHead{}, std::move(writer)));
    world.settle();
    world.start_reading(client);
    ASSERT_TRUE(pump([&] { return world.received(client).size() > body.size(); }));
    EXPECT_TRUE(world.received(client).ends_with(body));
}

TEST_P(HttpServerTest, StopsReadingAClientThatDoesNotReadItsAnswers) {
    HttpLimits limits;
    limits.out_bytes_max = 20'000;
    serve(limits);
    handler.answer_at_once = true;
    const int client = world.connect(address);
    world.stop_reading(client);
    const std::string path = "/" + std::string(6000, 'x');
    std::string flood;
    for (int i = 0; i < 3000; ++i) flood += get(path);
    world.write(client, flood);
    world.settle();
    const std::size_t taken = handler.tokens.size();
    EXPECT_LT(taken, 3000u);
    world.settle();
    EXPECT_EQ(handler.tokens.size(), taken);
    world.start_reading(client);
    ASSERT_TRUE(requests(3000));
    ASSERT_TRUE(pump([&] { return count(world.received(client), "HTTP/1.1 200 OK") == 3000; }));
}

TEST_P(HttpServerTest, BoundsTheUnansweredRequestsOfAConnection) {
    HttpLimits limits;
    limits.pipeline_max = 4;
    serve(limits);
    const int client = world.connect(address);
    std::string flood;
    for (int i = 0; i < 10; ++i) flood += get("/" + std::to_string(i));
    world.write(client, flood);
    world.settle();
    EXPECT_EQ(handler.tokens.size(), 4u);
    for (std::size_t i = 0; i < 10; ++i) {
        ASSERT_TRUE(requests(i + 1));
        answer(i, "x");
    }
    ASSERT_TRUE(pump([&] { return count(world.received(client), "HTTP/1.1 200 OK") == 10; }));
}

TEST_P(HttpServerTest, ForgetsAClientThatVanishedBeforeItsAnswer) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/0"));
    ASSERT_TRUE(requests(1));
    EXPECT_TRUE(server->alive(handler.tokens[0]));
    world.reset(client);
    ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
    EXPECT_FALSE(server->alive(handler.tokens[0]));
    EXPECT_FALSE(answer(0, "late"));
    // The place is used again: the old token must not reach the new client.
    const int next = world.connect(address);
    world.write(next, get("/1"));
    ASSERT_TRUE(requests(2));
    EXPECT_EQ(handler.tokens[0].connection, handler.tokens[1].connection);
    EXPECT_FALSE(answer(0, "late"));
    EXPECT_TRUE(answer(1, "right"));
}

TEST_P(HttpServerTest, HoldsFurtherRequestsBackWhileTooMuchOfBodiesComesIn) {
    HttpLimits limits;
    limits.receiving_bytes_max = 64 << 10;
    serve(limits);
    const int first = world.connect(address);
    const int second = world.connect(address);
    world.write(first, post(100'000) + pattern(1000));
    ASSERT_TRUE(pump([&] { return server->receiving_bytes() == 100'000; }));
    world.write(second, post(10) + pattern(10));
    world.settle();
    EXPECT_TRUE(handler.tokens.empty());
    world.write(first, pattern(99'000));
    ASSERT_TRUE(requests(2));
    EXPECT_EQ(server->receiving_bytes(), 0u);
    answer(0, "one");
    answer(1, "two");
    // Who vanishes, and who is refused, gives back what was counted.
    world.write(second, post(200'000) + pattern(10));
    ASSERT_TRUE(pump([&] { return server->receiving_bytes() == 200'000; }));
    world.write(first, post(10) + pattern(10));
    world.settle();
    EXPECT_EQ(handler.tokens.size(), 2u);
    world.reset(second);
    ASSERT_TRUE(requests(3));
    EXPECT_EQ(server->receiving_bytes(), 0u);
}

TEST_P(HttpServerTest, ForgetsAClientThatVanishedInItsBody) {
    serve();
    for (const std::size_t bytes : {100u, 1'000'000u}) {
        const int client = world.connect(address);
        world.write(client, post(bytes) + "part");
        ASSERT_TRUE(pump([&] { return server->connections() == 1; }));
        world.settle();
        world.reset(client);
        ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
    }
    EXPECT_TRUE(handler.tokens.empty());
}

TEST_P(HttpServerTest, AnswersAClientThatHasEndedItsSide) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/0") + get("/1"));
    world.finish(client);
    ASSERT_TRUE(requests(2));
    answer(0, "zero");
    world.settle();
    EXPECT_FALSE(world.ended(client));
    answer(1, "one");
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_TRUE(world.received(client).ends_with("one"));
    ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(HttpServerTest, EndsASlowHeadWith408) {
    serve();
    const int client = world.connect(address);
    world.write(client, "GET / HTTP/1.1\r\nHo");
    world.settle();
    for (int i = 0; i < 9; ++i) {
        world.advance_ms(1000);
        world.write(client, "s");
        world.settle();
    }
    EXPECT_FALSE(world.ended(client));
    world.advance_ms(1100);
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_EQ(count(world.received(client), "HTTP/1.1 408 "), 1u);
    EXPECT_EQ(count(world.received(client), "REQUEST_TIMEOUT"), 1u);
    EXPECT_EQ(server->counters().timeouts, 1u);
}

TEST_P(HttpServerTest, EndsASlowBodyWith408AndSparesASteadyOne) {
    serve();
    const int slow = world.connect(address);
    const int steady = world.connect(address);
    const int direct = world.connect(address);
    world.write(slow, post(20'000));
    world.write(steady, post(20'000));
    world.write(direct, post(200'000));
    world.settle();
    for (int i = 0; i < 11; ++i) {
        world.write(slow, "x");
        world.write(steady, pattern(1100));
        world.write(direct, pattern(10));
        world.advance_ms(1000);
    }
    ASSERT_TRUE(pump([&] { return world.ended(slow) && world.ended(direct); }));
    EXPECT_EQ(count(world.received(slow), "HTTP/1.1 408 "), 1u);
    EXPECT_EQ(count(world.received(direct), "HTTP/1.1 408 "), 1u);
    EXPECT_FALSE(world.ended(steady));
    world.write(steady, pattern(20'000 - 11 * 1100));
    ASSERT_TRUE(requests(1));
}

TEST_P(HttpServerTest, ClosesIdleConnectionsWithoutAWord) {
    serve();
    handler.answer_at_once = true;
    const int client = world.connect(address);
    world.write(client, get("/0"));
    ASSERT_TRUE(pump([&] { return !world.received(client).empty(); }));
    world.forget(client);
    world.advance_ms(74'000);
    EXPECT_FALSE(world.ended(client));
    world.advance_ms(1'200);
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_EQ(world.received(client), "");
}

// Deadlines further away than the wheel goes round, and then no look at it for some ticks: a
// stopped process, a cgroup that is out of its share.
TEST_P(HttpServerTest, GoesOnAfterAStallWithManyIdleConnections) {
    serve();
    handler.answer_at_once = true;
    for (std::size_t i = 0; i < 40; ++i) {
        world.connect(address);
        ASSERT_TRUE(pump([&] { return server->connections() == i + 1; }));
        world.clock.advance_us(50'000);
    }
    world.advance_ms(24'000);
    world.advance_ms(150);
    const int client = world.connect(address);
    world.write(client, get("/after"));
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("/after"); }));
    world.advance_ms(76'000);
    ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(HttpServerTest, LetsAHandlerTakeItsTime) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/0"));
    ASSERT_TRUE(requests(1));
    for (int i = 0; i < 20; ++i) world.advance_ms(30'000);
    EXPECT_TRUE(answer(0, "late but there"));
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("late but there"); }));
}

TEST_P(HttpServerTest, DropsAClientThatTakesNothingForTooLongAndSoonerInADrain) {
    serve();
    for (const std::size_t drains : {0u, 1u}) {
        const int client = world.connect(address);
        world.stop_reading(client);
        world.write(client, get("/0"));
        ASSERT_TRUE(requests(drains + 1));
        answer(drains, pattern(20'000'000));
        world.settle();
        if (drains != 0) server->drain();
        world.settle();
        world.advance_ms(drains != 0 ? 4'000 : 29'000);
        EXPECT_EQ(server->connections(), 1u);
        world.advance_ms(1'500);
        ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
    }
}

TEST_P(HttpServerTest, StreamsChunkByChunkAndGoesOnAfterwards) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/stream") + get("/next"));
    ASSERT_TRUE(requests(2));
    ResponseHead head;
    head.content_type = "text/event-stream";
    const auto stream = server->start_stream(handler.tokens[0], head);
    ASSERT_TRUE(stream);
    EXPECT_EQ(server->stream_write(*stream, "data: 1\n\n"), WriteOutcome::kOk);
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("9\r\ndata: 1\n\n\r\n"); }));
    EXPECT_EQ(count(world.received(client), "Transfer-Encoding: chunked\r\n"), 1u);
    EXPECT_EQ(count(world.received(client), "Content-Length"), 0u);
    answer(1, "next");
    server->end_stream(*stream);
    EXPECT_EQ(server->stream_write(*stream, "late"), WriteOutcome::kClosed);
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("next"); }));
    EXPECT_EQ(count(world.received(client), "0\r\n\r\nHTTP/1.1 200 OK"), 1u);
    EXPECT_EQ(handler.closes, 0u);
}

TEST_P(HttpServerTest, SaysFullToAStreamAndOffersToDrain) {
    HttpLimits limits;
    limits.stream_out_bytes_max = 10'000;
    serve(limits);
    const int client = world.connect(address);
    world.stop_reading(client);
    world.write(client, get("/stream"));
    ASSERT_TRUE(requests(1));
    const auto stream = *server->start_stream(handler.tokens[0], ResponseHead{});
    WriteOutcome outcome = WriteOutcome::kOk;
    std::size_t written = 0;
    const std::string piece = pattern(4000);
    for (; written < 10'000 && outcome == WriteOutcome::kOk; ++written) {
        outcome = server->stream_write(stream, piece);
        world.reactor->poll(0);
    }
    ASSERT_EQ(outcome, WriteOutcome::kFull);
    EXPECT_EQ(handler.drains, 0u);
    world.start_reading(client);
    ASSERT_TRUE(pump([&] { return handler.drains == 1; }));
    EXPECT_EQ(server->stream_write(stream, "end"), WriteOutcome::kOk);
    ASSERT_TRUE(pump([&] { return count(world.received(client), "end") == 1; }));
    EXPECT_EQ(count(world.received(client), piece), written - 1);
}

TEST_P(HttpServerTest, TellsWhenTheClientOfAStreamIsGone) {
    serve();
    for (int how = 0; how < 2; ++how) {
        const int client = world.connect(address);
        world.write(client, get("/stream"));
        ASSERT_TRUE(requests(static_cast<std::size_t>(how) + 1));
        const auto stream = *server->start_stream(handler.tokens.back(), ResponseHead{});
        world.settle();
        if (how == 0) world.finish(client);
        if (how == 1) world.reset(client);
        ASSERT_TRUE(pump([&] { return handler.closes == static_cast<std::size_t>(how) + 1; }));
        EXPECT_EQ(server->stream_write(stream, "x"), WriteOutcome::kClosed);
    }
}

TEST_P(HttpServerTest, EndsAStreamByTheCloseFor10) {
    serve();
    const int client = world.connect(address);
    world.write(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ASSERT_TRUE(requests(1));
    const auto stream = *server->start_stream(handler.tokens[0], ResponseHead{});
    server->stream_write(stream, "abc");
    server->end_stream(stream);
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_TRUE(world.received(client).ends_with("Connection: close\r\n\r\nabc"));
}

TEST_P(HttpServerTest, AnswersAHeadOfAStreamAndWhatComesBehindIt) {
    serve();
    const int client = world.connect(address);
    world.write(client, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next"));
    ASSERT_TRUE(requests(2));
    EXPECT_FALSE(server->start_stream(handler.tokens[0], ResponseHead{}));
    answer(1, "behind it");
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("behind it"); }));
    EXPECT_EQ(count(world.received(client), "HTTP/1.1 200 OK"), 2u);
    EXPECT_EQ(handler.closes, 0u);
}

// ---- more than there is room for

TEST_P(HttpServerTest, ClosesWhatHasBeenIdleLongestWhenItIsFull) {
    HttpLimits limits;
    limits.connections_max = 3;
    serve(limits);
    handler.answer_at_once = true;
    std::vector<int> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(world.connect(address));
        world.settle();
        world.advance_ms(100);
    }
    world.write(clients[0], get("/used"));  // the second is the oldest now
    ASSERT_TRUE(pump([&] { return world.received(clients[0]).ends_with("/used"); }));
    const int next = world.connect(address);
    world.write(next, get("/next"));
    ASSERT_TRUE(pump([&] { return world.received(next).ends_with("/next"); }));
    EXPECT_TRUE(pump([&] { return world.ended(clients[1]); }));
    EXPECT_FALSE(world.ended(clients[0]));
    EXPECT_FALSE(world.ended(clients[2]));
    EXPECT_EQ(server->counters().made_room, 1u);
    EXPECT_TRUE(pump([&] { return server->connections() == 3; }));
}

TEST_P(HttpServerTest, SaysThatItIsFullWhereAllAreAtWork) {
    HttpLimits limits;
    limits.connections_max = 2;
    limits.spare_connections_max = 2;
    serve(limits);
    handler.head = [](const Request& request, HeadDecision& decision) {
        decision.when_full = request.path == "/health";
    };
    const int first = world.connect(address), second = world.connect(address);
    world.write(first, get("/0"));
    ASSERT_TRUE(requests(1));
    world.write(second, get("/1"));
    ASSERT_TRUE(requests(2));
    const int away = world.connect(address);
    world.write(away, get("/2"));
    ASSERT_TRUE(pump([&] { return world.ended(away); }));
    EXPECT_TRUE(world.received(away).starts_with("HTTP/1.1 503 ")) << world.received(away);
    EXPECT_NE(world.received(away).find("\r\nRetry-After: 1\r\n"), std::string::npos);
    EXPECT_NE(world.received(away).find("http.connections_max 2"), std::string::npos);
    EXPECT_EQ(server->counters().turned_away, 1u);
    world.finish(away);
    const int probe = world.connect(address);
    world.write(probe, get("/health") + get("/health"));
    ASSERT_TRUE(requests(3));
    answer(2, "well");
    ASSERT_TRUE(pump([&] { return world.ended(probe); }));
    EXPECT_TRUE(world.received(probe).ends_with("well"));
    EXPECT_NE(world.received(probe).find("Connection: close"), std::string::npos);
    // Silent ones do not keep the spare places, and soon end by themselves.
    for (int i = 0; i < 5; ++i) {
        world.connect(address);
        world.settle();
        world.advance_ms(30);
    }
    EXPECT_LE(server->connections(), 2u + 2u + 1u);
    const int again = world.connect(address);
    world.write(again, get("/health"));
    ASSERT_TRUE(requests(4));
    answer(3, "still");
    ASSERT_TRUE(pump([&] { return world.received(again).ends_with("still"); }));
    world.finish(again);
    world.advance_ms(6'000);
    EXPECT_TRUE(pump([&] { return server->connections() == 2; }));
    // There is room again.
    answer(0, "zero");
    answer(1, "one");
    ASSERT_TRUE(pump([&] { return world.received(second).ends_with("one"); }));
    const int late = world.connect(address);
    world.write(late, get("/late"));
    ASSERT_TRUE(requests(5));
}

TEST_P(HttpServerTest, BoundsTheAnswersOfAllClientsTogether) {
    HttpLimits limits;
    limits.answers_bytes_max = 16 << 20;
    serve(limits);
    constexpr std::size_t kBytes = 12 << 20;  // more than sockets hold by themselves
    std::vector<int> clients;
    for (std::size_t i = 0; i < 4; ++i) {
        clients.push_back(world.connect(address));
        world.stop_reading(clients.back());
        world.write(clients.back(), get("/big"));
        ASSERT_TRUE(requests(i + 1));
        EXPECT_TRUE(answer(i, pattern(kBytes)));
        world.settle();
    }
    EXPECT_GE(server->counters().turned_away, 1u);
    for (const int client : clients) world.start_reading(client);
    std::size_t whole = 0;
    for (const int client : clients) {
        ASSERT_TRUE(pump([&] {
            const std::string& text = world.received(client);
            return text.size() > kBytes || text.find("http.answers_bytes_max") != text.npos;
        }));
        whole += world.received(client).size() > kBytes;
    }
    EXPECT_GE(whole, 1u);
    EXPECT_LT(whole, 4u);
    // Given back: the next one has room.
    handler.tokens.clear();
    world.forget(clients[0]);
    world.write(clients[0], get("/big"));
    ASSERT_TRUE(requests(1));
    EXPECT_TRUE(answer(0, pattern(kBytes)));
    ASSERT_TRUE(pump([&] { return world.received(clients[0]).size() > kBytes; }));
}

TEST_P(HttpServerTest, CutsOffWhoReadsNothingBeforeSmallAnswersFillTheMemory) {
    HttpLimits limits;
    limits.answers_bytes_max = 64 << 10;
    limits.out_bytes_max = 64 << 20;
    serve(limits);
    handler.answer_at_once = true;
    const int client = world.connect(address);
    world.stop_reading(client);
    const std::string path = "/" + pattern(7000);
    for (int i = 0; i < 3000 && server->connections() > 0; ++i) {
        world.write(client, get(path));
        world.reactor->poll(0);
    }
    ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
    const int other = world.connect(address);
    world.write(other, get("/other"));
    ASSERT_TRUE(pump([&] { return world.received(other).ends_with("/other"); }));
}

TEST_P(HttpServerTest, StopsAndResumesReading) {
    serve();
    handler.answer_at_once = true;
    const int client = world.connect(address);
    world.write(client, get("/0"));
    ASSERT_TRUE(requests(1));
    server->pause_ingest();
    world.settle();
    world.write(client, get("/1"));
    world.settle();
    world.advance_ms(60'000);
    EXPECT_EQ(handler.tokens.size(), 1u);
    EXPECT_FALSE(world.ended(client));
    server->resume_ingest();
    ASSERT_TRUE(requests(2));
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("/1"); }));
}

TEST_P(HttpServerTest, DrainsWithoutLosingARequest) {
    serve();
    const int idle = world.connect(address);
    const int busy = world.connect(address);
    const int sending = world.connect(address);
    world.write(busy, get("/busy"));
    world.write(sending, post(10) + "12345");
    ASSERT_TRUE(requests(1));
    world.settle();
    server->drain();
    ASSERT_TRUE(pump([&] { return world.ended(idle); }));
    EXPECT_FALSE(world.ended(busy));
    answer(0, "done");
    ASSERT_TRUE(pump([&] { return world.ended(busy); }));
    EXPECT_EQ(count(world.received(busy), "Connection: close"), 1u);
    EXPECT_TRUE(world.received(busy).ends_with("done"));
    world.write(sending, "67890");
    ASSERT_TRUE(requests(2));
    answer(1, "too");
    ASSERT_TRUE(pump([&] { return world.ended(sending); }));
    world.finish(idle);
    world.finish(busy);
    world.finish(sending);
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(HttpServerTest, AnswersNewConnectionsOnceWhileItDrains) {
    serve();
    const int busy = world.connect(address);
    world.write(busy, get("/busy"));
    ASSERT_TRUE(requests(1));
    server->drain();
    const int late = world.connect(address);
    const int silent = world.connect(address);
    ASSERT_TRUE(pump([&] { return server->connections() == 3; }));
    EXPECT_EQ(server->undrained(), 1u);
    world.settle();
    EXPECT_FALSE(world.ended(late));
    world.write(late, get("/readyz"));
    ASSERT_TRUE(requests(2));
    answer(1, "draining");
    ASSERT_TRUE(pump([&] { return world.ended(late); }));
    EXPECT_EQ(count(world.received(late), "Connection: close"), 1u);
    EXPECT_FALSE(world.ended(silent));
    answer(0, "done");
    ASSERT_TRUE(pump([&] { return world.ended(busy); }));
    world.finish(busy);
    world.finish(late);
    EXPECT_TRUE(pump([&] { return server->undrained() == 0; }));
    EXPECT_TRUE(pump([&] { return server->connections() == 1; }));
    server->close_all();
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
    EXPECT_EQ(server->undrained(), 0u);
}

TEST_P(HttpServerTest, EndsStreamsWhenItDrains) {
    serve();
    const int front = world.connect(address);
    const int behind = world.connect(address);
    world.write(front, get("/stream"));
    ASSERT_TRUE(requests(1));
    world.write(behind, get("/slow") + get("/stream"));
    ASSERT_TRUE(requests(3));
    const auto first = *server->start_stream(handler.tokens[0], ResponseHead{});
    const auto second = *server->start_stream(handler.tokens[2], ResponseHead{});
    server->stream_write(first, "abc");
    server->stream_write(second, "def");
    server->drain();
    EXPECT_EQ(server->stream_write(first, "late"), WriteOutcome::kClosed);
    EXPECT_EQ(server->stream_write(second, "late"), WriteOutcome::kClosed);
    ASSERT_TRUE(pump([&] { return world.ended(front); }));
    EXPECT_TRUE(world.received(front).ends_with("3\r\nabc\r\n0\r\n\r\n"));
    answer(1, "slow");
    ASSERT_TRUE(pump([&] { return world.ended(behind); }));
    EXPECT_TRUE(world.received(behind).ends_with("3\r\ndef\r\n0\r\n\r\n"));
}

TEST_P(HttpServerTest, ClosesHardWhenAClientDoesNotEndItsSide) {
    serve();
    handler.answer_at_once = true;
    const int client = world.connect(address);
    world.write(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    world.advance_ms(2'200);
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(HttpServerTest, RefusesConnectionsAboveTheCaps) {
    HttpLimits limits;
    limits.connections_max = 5;
    limits.connections_per_peer_max = 2;
    serve(limits);
    const int first = world.connect(address);
    world.connect(address);
    const int third = world.connect(address);
    ASSERT_TRUE(pump([&] { return world.ended(third); }));
    EXPECT_EQ(server->connections(), 2u);
    EXPECT_EQ(server->counters().refused, 1u);
    world.reset(first);
    ASSERT_TRUE(pump([&] { return server->connections() == 1; }));
    world.connect(address);
    EXPECT_TRUE(pump([&] { return server->connections() == 2; }));
}

TEST_P(HttpServerTest, LetsTheHandlerJudgeTheHeadBeforeTheBody) {
    serve();
    handler.head = [](const Request& request, HeadDecision& decision) {
        if (request.path == "/private")
            decision.reject = core::Error(core::ErrorCode::kUnauthorized, "no key");
        if (request.path == "/small") decision.body_bytes_max = 10;
        if (request.path == "/slow")
            decision.reject = core::Error(core::ErrorCode::kRateLimited, "later").retry_after(7);
    };
    const auto ask = [&](std::string_view path, std::size_t bytes) {
        const int client = world.connect(address);
        world.write(client, "POST " + std::string(path) +
                                " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) +
                                "\r\n\r\n");
        EXPECT_TRUE(pump([&] { return world.ended(client); }));
        return world.received(client);
    };
    EXPECT_EQ(count(ask("/private", 5), "HTTP/1.1 401 "), 1u);
    EXPECT_EQ(count(ask("/small", 11), "HTTP/1.1 413 "), 1u);
    EXPECT_EQ(count(ask("/slow", 5), "Retry-After: 7\r\n"), 1u);
    EXPECT_TRUE(handler.tokens.empty());
}

TEST_P(HttpServerTest, LetsNoHeaderBeInjected) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/0"));
    ASSERT_TRUE(requests(1));
    const HeaderField headers[] = {{"X-Echo", std::string_view("a\r\nSet-Cookie: b\0c", 18)}};
    ResponseHead head;
    head.headers = headers;
    head.content_type = "text/plain\r\nX: y";
    server->respond(handler.tokens[0], head, "ok");
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("ok"); }));
    EXPECT_EQ(count(world.received(client), "X-Echo: a  Set-Cookie: b c\r\n"), 1u);
    EXPECT_EQ(count(world.received(client), "Content-Type: text/plain  X: y\r\n"), 1u);
}

TEST_P(HttpServerTest, HasNoBodyIn204And304) {
    serve();
    const int client = world.connect(address);
    world.write(client, get("/0") + get("/1"));
    ASSERT_TRUE(requests(2));
    ResponseHead head;
    head.status = 204;
    server->respond(handler.tokens[0], head, "ignored");
    answer(1, "next");
    ASSERT_TRUE(pump([&] { return world.received(client).ends_with("next"); }));
    EXPECT_EQ(count(world.received(client), "ignored"), 0u);
    EXPECT_EQ(count(world.received(client), "Content-Length"), 1u);
}

TEST_P(HttpServerTest, ShutsDownWithClientsInEveryState) {
    serve();
    const int idle = world.connect(address);
    const int head = world.connect(address);
    const int body = world.connect(address);
    const int waiting = world.connect(address);
    const int stuck = world.connect(address);
    world.stop_reading(stuck);
    world.write(head, "GET / HT");
    world.write(body, post(1'000'000) + "abc");
    world.write(waiting, get("/w"));
    ASSERT_TRUE(requests(1));
    world.write(stuck, get("/s"));
    ASSERT_TRUE(requests(2));
    answer(1, pattern(20'000'000));
    world.settle();
    server.reset();
    for (const int client : {idle, head, body, waiting}) EXPECT_TRUE(world.ended(client));
    EXPECT_EQ(world.reactor->open_streams(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Worlds, HttpServerTest,
                         testing::Values(World::kMemory, World::kEpoll, World::kIoUring,
                                         World::kTransformed, World::kTls),
                         world_name);

}  // namespace
}  // namespace millrace::io
