// Goal: exact line counting, acks and rejects, bounded windows, over-long lines, hello, and the end
// of connections. Method: one body per promise on memory, epoll and io_uring; streams of random
// lines cut at random places against a plain splitter.
#include "io/line_server.h"

#include "core/random.h"
#include "tests/io/edge_world.h"

namespace millrace::io {
namespace {

class Collector final : public LineHandler {
public:
    LineServer* server = nullptr;
    bool ack_at_once = true;
    std::vector<std::string> hellos;
    std::vector<LineBatch> batches;
    std::size_t closes = 0;

    core::Status on_hello(LineToken, const LineHello& hello, const Peer&) override {
        hellos.push_back((hello.sent ? "sent:" : "none:") + std::string(hello.api_key) +
                         (hello.acks == AckMode::kNone ? ":none" : ":batch"));
        if (hello.api_key == "bad")
            return core::fail(core::ErrorCode::kUnauthorized, "the key is not known");
        return {};
    }
    void on_lines(LineBatch&& batch) override {
        const LineToken token = batch.connection;
        const std::uint64_t last = batch.first_line + batch.line_count - 1;
        batches.push_back(std::move(batch));
        if (ack_at_once) server->ack(token, last, "fsync");
    }
    void on_line_close(LineToken) override { ++closes; }

    std::string text() const {
        std::string all;
        for (const LineBatch& batch : batches) all += batch.lines.view();
        return all;
    }
    std::uint64_t lines() const {
        return batches.empty() ? 0 : batches.back().first_line + batches.back().line_count - 1;
    }
};

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size()))
        ++n;
    return n;
}

class LineServerTest : public testing::TestWithParam<World> {
protected:
    void serve(const LineLimits& limits = {}) {
        server = std::make_unique<LineServer>(*world.reactor, handler, limits);
        handler.server = server.get();
        auto bound =
            server->listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst, world.transforms());
        ASSERT_TRUE(bound) << bound.error().message;
        address = *bound;
    }
    bool pump(const std::function<bool()>& condition) { return world.pump_until(condition); }
    bool lines(std::uint64_t n) {
        return pump([&] { return handler.lines() >= n; });
    }

    EdgeWorld world{GetParam()};
    Collector handler;
    std::unique_ptr<LineServer> server;
    Address address;
};

TEST_P(LineServerTest, HandsOverCompleteLinesAndAcksThem) {
    serve();
    const int client = world.connect(address);
    world.write(client, "{\"a\":1}\n{\"b\":2}\n{\"c\"");
    ASSERT_TRUE(lines(2));
    EXPECT_EQ(handler.text(), "{\"a\":1}\n{\"b\":2}\n");
    EXPECT_EQ(handler.hellos, std::vector<std::string>{"none::batch"});
    ASSERT_TRUE(
        pump([&] { return world.received(client) == "{\"ack\":2,\"durability\":\"fsync\"}\n"; }));
    world.write(client, ":3}\n\n");
    ASSERT_TRUE(lines(4));
    EXPECT_EQ(handler.batches.back().first_line, 3u);
    EXPECT_EQ(handler.text(), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n\n");
}

TEST_P(LineServerTest, ReadsAHelloAndDoesNotCountIt) {
    serve();
    const int client = world.connect(address);
    world.write(client, "{\"hello\":{\"apiKey\":\"k1\",\"acks\":\"none\"}}\n");
    world.settle();
    world.write(client, "{\"a\":1}\n");
    ASSERT_TRUE(lines(1));
    EXPECT_EQ(handler.hellos, std::vector<std::string>{"sent:k1:none"});
    EXPECT_EQ(handler.batches[0].first_line, 1u);
    EXPECT_EQ(handler.text(), "{\"a\":1}\n");
    world.settle();
    EXPECT_EQ(world.received(client), "");
    server->reject(handler.batches[0].connection, 1,
                   core::Error(core::ErrorCode::kValidation, "bad \"x\""));
    ASSERT_TRUE(pump([&] { return !world.received(client).empty(); }));
    EXPECT_EQ(world.received(client),
              "{\"reject\":{\"line\":1,\"error\":{\"message\":\"bad "
              "\\\"x\\\"\",\"code\":\"VALIDATION_ERROR\",\"statusCode\":400,\"details\":{}}}}\n");
}

TEST_P(LineServerTest, TakesHelloAndEventsInOnePiece) {
    serve();
    const int client = world.connect(address);
    world.write(client, " { \"hello\" : {\"apiKey\":\"k\"} }\r\n{\"a\":1}\n{\"b\"");
    ASSERT_TRUE(lines(1));
    EXPECT_EQ(handler.hellos, std::vector<std::string>{"sent:k:batch"});
    world.write(client, ":2}\n");
    ASSERT_TRUE(lines(2));
    EXPECT_EQ(handler.text(), "{\"a\":1}\n{\"b\":2}\n");
}

TEST_P(LineServerTest, RefusesABadHelloWithALineAndTheEnd) {
    serve();
    for (const std::string_view hello :
         {"{\"hello\":{\"apiKey\":\"bad\"}}\n", "{\"hello\":{\"acks\":\"all\"}}\n",
          "{\"hello\":1}\n", "{\"hello\":{\"x\":\"y\"}}\n", "{\"hello\":{},\"more\":1}\n",
          "{\"hello\":{\n", "{\"hello\":{\"apiKey\":7}}\n"}) {
        const int client = world.connect(address);
        world.write(client, std::string(hello) + "{\"a\":1}\n");
        ASSERT_TRUE(pump([&] { return world.ended(client); })) << hello;
        EXPECT_TRUE(world.received(client).starts_with("{\"error\":{\"message\":")) << hello;
        EXPECT_TRUE(world.received(client).ends_with("}\n"));
        world.finish(client);
    }
    EXPECT_TRUE(handler.batches.empty());
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
    EXPECT_EQ(handler.closes, 0u);
}

TEST_P(LineServerTest, RejectsAndSkipsLinesThatAreTooLong) {
    LineLimits limits;
    limits.line_bytes_max = 100;
    serve(limits);
    const int client = world.connect(address);
    const std::string at_limit(100, 'a'), above(101, 'b'), far_above(20'000, 'c');
    world.write(client, "{}\n" + at_limit + "\n" + above + "\n4\n" + far_above + "\n" + far_above +
                            "\n7\n" + above);
    ASSERT_TRUE(lines(7));
    EXPECT_EQ(handler.text(), "{}\n" + at_limit + "\n4\n7\n");
    ASSERT_TRUE(
        pump([&] { return world.received(client).find("{\"ack\":8") != std::string::npos; }));
    for (const char* line : {"\"line\":3,", "\"line\":5,", "\"line\":6,", "\"line\":8,"}) {
        EXPECT_NE(world.received(client).find(line), std::string::npos) << line;
    }
    EXPECT_EQ(server->counters().rejected_lines, 4u);
    world.write(client, "still the same line\n9\n");
    ASSERT_TRUE(lines(9));
    EXPECT_TRUE(handler.text().ends_with("7\n9\n"));
}

TEST_P(LineServerTest, CountsNoPartOfALineEndAgainstTheLimit) {
    LineLimits limits;
    limits.line_bytes_max = 100;
    serve(limits);
    const std::string at_limit(100, 'a');
    for (const bool in_pieces : {false, true}) {
        handler.batches.clear();
        const int client = world.connect(address);
        const std::string text = "{}\r\n" + at_limit + "\r\n" + at_limit + "\n" + at_limit +
                                 "\r\r\n" + at_limit + "b\r\n6\r\n";
        for (const char c : text) {
            world.write(client, std::string_view(&c, 1));
            if (in_pieces) world.settle();
        }
        ASSERT_TRUE(lines(6));
        EXPECT_EQ(handler.text(), "{}\r\n" + at_limit + "\r\n" + at_limit + "\n6\r\n");
        for (const char* line : {"\"line\":4,", "\"line\":5,"}) {
            EXPECT_TRUE(pump([&] {
                return world.received(client).find(line) != std::string::npos;
            })) << line;
        }
        world.finish(client);
    }
}

// What a browser can be made to send: its body would be taken for events if the lines before it
// were only rejected.
TEST_P(LineServerTest, ClosesOnAFirstLineThatIsNoJsonObject) {
    serve();
    const std::string body = "{\"pattern\":\"from.a.page\"}\n";
    const std::string firsts[] = {
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:7071\r\n\r\n",
        "GET",
        "\x16\x03\x01",
        "  x\n",
        "\n",
        " \r\n",
        "[{\"pattern\":\"a\"}]\n",
        "\"hello\"\n",
        "5\n",
        "null\n",
        "{\"pattern\":\n",
        "{pattern:1}\n",
        "{} x\n",
        "{}{}\n",
        "\xef\xbb\xbf{}\n",
        "{\"a\":\"\xff\"}\n",
    };
    for (const std::string& first : firsts) {
        const int client = world.connect(address);
        world.write(client, first);
        world.settle();
        world.write(client, body);
        ASSERT_TRUE(pump([&] { return world.ended(client); })) << first;
        EXPECT_TRUE(world.received(client).starts_with("{\"error\":{\"message\":\"the first line"))
            << first << world.received(client);
        EXPECT_EQ(count(world.received(client), "\n"), 1u) << first;
        world.finish(client);
    }
    EXPECT_TRUE(handler.batches.empty());
    EXPECT_TRUE(handler.hellos.empty());
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(LineServerTest, LeavesWhatAJsonObjectHoldsToTheReaderOfEvents) {
    serve();
    const std::string firsts[] = {
        "{}\n", " {\"a\":1e999}\r\n", "{\"n\":123456789012345678901}\n",
        "{\"d\":" + std::string(2000, '[') + std::string(2000, ']') + "}\n",
        "{\"hello\":{}}\n{}\n"};
    for (const std::string& first : firsts) {
        handler.batches.clear();
        const int client = world.connect(address);
        world.write(client, first);
        ASSERT_TRUE(lines(1)) << first;
        EXPECT_FALSE(world.ended(client));
        world.finish(client);
        ASSERT_TRUE(pump([&] { return world.ended(client); }));
    }
}

TEST_P(LineServerTest, TellsHowManyLinesWereKnown) {
    serve();
    handler.ack_at_once = false;
    const int client = world.connect(address);
    world.write(client, "{}\n2\n3\n4\n");
    ASSERT_TRUE(lines(4));
    const LineToken token = handler.batches[0].connection;
    const auto says = [&](const std::string& ack) {
        return pump([&] { return world.received(client).ends_with(ack); });
    };
    server->ack(token, 1, "fsync");
    EXPECT_TRUE(says("{\"ack\":1,\"durability\":\"fsync\"}\n"));
    server->ack(token, 2, "fsync", 1);
    EXPECT_TRUE(says("{\"ack\":2,\"durability\":\"fsync\",\"duplicates\":1}\n"));
    server->ack(token, 3, "fsync");
    server->ack(token, 4, "fsync", 1);
    EXPECT_TRUE(says("{\"ack\":4,\"durability\":\"fsync\",\"duplicates\":2}\n"));
}

TEST_P(LineServerTest, RejectsALastLineWithoutItsEndThatIsTooLong) {
    // Once slipped through when it was also the first: it was still waiting to be a hello.
    LineLimits limits;
    limits.line_bytes_max = 100;
    serve(limits);
    const int client = world.connect(address);
    world.write(client, "{" + std::string(101, 'a'));
    world.finish(client);
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_NE(world.received(client).find("\"line\":1,"), std::string::npos);
    EXPECT_TRUE(handler.batches.empty());
}

TEST_P(LineServerTest, AcksNothingBehindALineThatIsNotDone) {
    LineLimits limits;
    limits.line_bytes_max = 10;
    serve(limits);
    handler.ack_at_once = false;
    const int client = world.connect(address);
    world.write(client, "{}\n2\n" + std::string(50, 'x') + "\n");
    ASSERT_TRUE(
        pump([&] { return world.received(client).find("\"line\":3,") != std::string::npos; }));
    EXPECT_EQ(world.received(client).find("\"ack\""), std::string::npos);
    server->ack(handler.batches[0].connection, 1, "fsync");
    ASSERT_TRUE(pump([&] {
        return world.received(client).ends_with("{\"ack\":1,\"durability\":\"fsync\"}\n");
    }));
    server->ack(handler.batches[0].connection, 2, "fsync");
    ASSERT_TRUE(pump([&] {
        return world.received(client).ends_with("{\"ack\":3,\"durability\":\"fsync\"}\n");
    }));
}

TEST_P(LineServerTest, StopsReadingWhenTheWindowIsFull) {
    LineLimits limits;
    limits.unacked_bytes_max = 20'000;
    limits.batch_bytes = 4096;
    serve(limits);
    handler.ack_at_once = false;
    const int client = world.connect(address);
    std::string sent;
    for (int i = 0; i < 10'000; ++i) sent += "{\"number\":" + std::to_string(i) + "}\n";
    world.write(client, sent);
    world.settle();
    const std::uint64_t stopped = handler.lines();
    EXPECT_LT(handler.text().size(), 20'000u + 65'536u);
    world.settle();
    EXPECT_EQ(handler.lines(), stopped);
    ASSERT_TRUE(pump([&] {
        server->ack(handler.batches[0].connection, handler.lines(), "fsync");
        return handler.lines() == 10'000;
    }));
    EXPECT_EQ(handler.text(), sent);
}

TEST_P(LineServerTest, CountsALastLineWithoutItsEnd) {
    serve();
    const int client = world.connect(address);
    world.write(client, "{}\n2");
    world.finish(client);
    ASSERT_TRUE(lines(2));
    EXPECT_EQ(handler.text(), "{}\n2");
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_TRUE(world.received(client).ends_with("{\"ack\":2,\"durability\":\"fsync\"}\n"));
    EXPECT_TRUE(pump([&] { return handler.closes == 1; }));
}

TEST_P(LineServerTest, WaitsForTheAcksOfAClientThatHasEndedItsSide) {
    serve();
    handler.ack_at_once = false;
    const int client = world.connect(address);
    world.write(client, "{}\n2\n");
    world.finish(client);
    ASSERT_TRUE(lines(2));
    world.settle();
    EXPECT_FALSE(world.ended(client));
    server->ack(handler.batches[0].connection, 2, "os");
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_EQ(world.received(client), "{\"ack\":2,\"durability\":\"os\"}\n");
}

TEST_P(LineServerTest, ForgetsAClientThatVanished) {
    serve();
    handler.ack_at_once = false;
    const int client = world.connect(address);
    world.write(client, "{}\n");
    ASSERT_TRUE(lines(1));
    world.reset(client);
    ASSERT_TRUE(pump([&] { return handler.closes == 1; }));
    EXPECT_FALSE(server->ack(handler.batches[0].connection, 1, "fsync"));
    EXPECT_FALSE(server->alive(handler.batches[0].connection));
}

TEST_P(LineServerTest, DrainsAfterTheLastAck) {
    serve();
    handler.ack_at_once = false;
    const int client = world.connect(address);
    world.write(client, "{}\n2\npart");
    ASSERT_TRUE(lines(2));
    server->drain();
    world.settle();
    EXPECT_FALSE(world.ended(client));
    server->ack(handler.batches[0].connection, 2, "fsync");
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_EQ(world.received(client), "{\"ack\":2,\"durability\":\"fsync\"}\n");
    EXPECT_EQ(handler.lines(), 2u);
    world.finish(client);
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(LineServerTest, ADrainWaitsLessForAClientThatTakesNothing) {
    serve();
    handler.ack_at_once = false;
    const int client = world.connect(address);
    world.stop_reading(client);
    world.write(client, "{}\n");
    ASSERT_TRUE(lines(1));
    const LineToken token = handler.batches[0].connection;
    const core::Error told(core::ErrorCode::kValidation, std::string(1'000'000, 'x'));
    for (int i = 0; i < 20; ++i) server->reject(token, 1, told);
    world.settle();
    server->ack(token, 1, "fsync");
    server->drain();
    world.settle();
    world.advance_ms(4'000);
    EXPECT_EQ(server->connections(), 1u);
    world.advance_ms(1'500);
    ASSERT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(LineServerTest, EndsWhatIsIdleForTooLongWithAWord) {
    LineLimits limits;
    limits.idle_ms_max = 10'000;
    serve(limits);
    handler.ack_at_once = false;
    const int silent = world.connect(address), waiting = world.connect(address);
    world.write(waiting, "{}\n");
    ASSERT_TRUE(lines(1));
    world.advance_ms(9'000);
    EXPECT_FALSE(world.ended(silent));
    world.advance_ms(2'000);
    ASSERT_TRUE(pump([&] { return world.ended(silent); }));
    EXPECT_NE(world.received(silent).find("REQUEST_TIMEOUT"), std::string::npos);
    EXPECT_NE(world.received(silent).find("socket.idle_timeout"), std::string::npos);
    // What is not acknowledged yet keeps the connection.
    world.advance_ms(30'000);
    EXPECT_FALSE(world.ended(waiting));
    server->ack(handler.batches[0].connection, 1, "fsync");
    world.settle();
    world.advance_ms(11'000);
    ASSERT_TRUE(pump([&] { return world.ended(waiting); }));
    EXPECT_TRUE(world.received(waiting).starts_with("{\"ack\":1,"));
}

TEST_P(LineServerTest, MakesRoomOrSaysThatThereIsNone) {
    LineLimits limits;
    limits.connections_max = 2;
    serve(limits);
    handler.ack_at_once = false;
    const int busy = world.connect(address);
    world.write(busy, "{}\n");
    ASSERT_TRUE(lines(1));
    const int idle = world.connect(address);
    world.settle();
    world.advance_ms(100);
    const int next = world.connect(address);
    world.write(next, "{}\n");
    ASSERT_TRUE(pump([&] { return handler.batches.size() == 2; }));
    EXPECT_TRUE(pump([&] { return world.ended(idle); }));
    const int away = world.connect(address);
    ASSERT_TRUE(pump([&] { return world.ended(away); }));
    EXPECT_NE(world.received(away).find("\"code\":\"UNAVAILABLE\""), std::string::npos);
    EXPECT_NE(world.received(away).find("socket.connections_max 2"), std::string::npos);
    EXPECT_FALSE(world.ended(busy));
    world.finish(away);
    EXPECT_TRUE(pump([&] { return server->connections() == 2; }));
}

TEST_P(LineServerTest, PausesAndResumes) {
    serve();
    const int client = world.connect(address);
    world.write(client, "{}\n");
    ASSERT_TRUE(lines(1));
    server->pause_ingest();
    world.settle();
    world.write(client, "2\n");
    world.settle();
    EXPECT_EQ(handler.lines(), 1u);
    server->resume_ingest();
    EXPECT_TRUE(lines(2));
}

TEST_P(LineServerTest, SplitsLikeAPlainSplitterWhereverTheStreamIsCut) {
    LineLimits limits;
    limits.line_bytes_max = 300;
    limits.batch_bytes = 16'384;
    serve(limits);
    core::Random random(20'261);
    for (int round = 0; round < 20; ++round) {
        handler.batches.clear();
        const int client = world.connect(address);
        std::string sent = "{}\n", wanted = sent;
        std::uint64_t count = 1;
        for (int i = 0; i < 300; ++i) {
            std::string line(random.below(random.below(10) == 0 ? 700 : 60), 'x');
            for (char& c : line) c = static_cast<char>('a' + random.below(26));
            sent += line + "\n";
            ++count;
            if (random.below(4) == 0) {
                sent.insert(sent.size() - 1, "\r");
                line += "\r";
            }
            if (line.size() - line.ends_with('\r') <= 300) wanted += line + "\n";
        }
        for (std::size_t at = 0; at < sent.size();) {
            const std::size_t part = 1 + random.below(random.below(3) == 0 ? 5000 : 200);
            world.write(client, std::string_view(sent).substr(at, part));
            at += part;
            world.reactor->poll(0);
        }
        ASSERT_TRUE(pump([&] {
            return world.received(client).find("{\"ack\":" + std::to_string(count) + ",") !=
                   std::string::npos;
        }));
        EXPECT_EQ(handler.text(), wanted);
        std::uint64_t next = 1;
        for (const LineBatch& batch : handler.batches) {
            EXPECT_GE(batch.first_line, next);
            next = batch.first_line + batch.line_count;
        }
        world.finish(client);
    }
}

INSTANTIATE_TEST_SUITE_P(Worlds, LineServerTest,
                         testing::Values(World::kMemory, World::kEpoll, World::kIoUring,
                                         World::kTransformed, World::kTls),
                         world_name);

}  // namespace
}  // namespace millrace::io
