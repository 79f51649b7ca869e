// Goal: connections of both protocols draw from one room: clients that sleep in the middle of a
// head, a line or a stream take no more of the shard than that, and none of it for long from those
// who work. Method: one body per promise on memory, epoll and io_uring, with a small room.
#include "io/http_server.h"
#include "io/line_server.h"
#include "tests/io/edge_world.h"

namespace millrace::io {
namespace {

class Listener final : public HttpHandler, public LineHandler {
public:
    HttpServer* http = nullptr;
    LineServer* lines = nullptr;
    std::vector<RequestToken> tokens;
    std::size_t drains = 0, closes = 0, bytes = 0;

    void on_request(Request& request) override { tokens.push_back(request.token); }
    void on_stream_drain(StreamToken) override { ++drains; }
    void on_stream_close(StreamToken) override { ++closes; }
    core::Status on_hello(LineToken, const LineHello&, const Peer&) override { return {}; }
    void on_lines(LineBatch&& batch) override {
        bytes += batch.lines.size();
        lines->ack(batch.connection, batch.first_line + batch.line_count - 1, "fsync");
    }
    std::int64_t busy_seconds() const override { return 1; }
};

class FullRoomTest : public testing::TestWithParam<World> {
protected:
    void serve(std::size_t room_bytes) {
        world = std::make_unique<EdgeWorld>(GetParam(), room_bytes);
        http = std::make_unique<HttpServer>(*world->reactor, handler, HttpLimits{});
        LineLimits limits;
        limits.line_bytes_max = 200'000;
        lines = std::make_unique<LineServer>(*world->reactor, handler, limits);
        handler.http = http.get();
        handler.lines = lines.get();
        http_at =
            *http->listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst, world->transforms());
        lines_at = *lines->listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst,
                                  world->transforms(line_tls_service()));
    }
    bool pump(const std::function<bool()>& condition) { return world->pump_until(condition); }
    StreamToken open_stream(int client) {
        const std::size_t before = handler.tokens.size();
        world->write(client, "GET /s HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(pump([&] { return handler.tokens.size() > before; }));
        return *http->start_stream(handler.tokens.back(), ResponseHead{});
    }
    bool has(int client, std::string_view text) {
        return world->received(client).find(text) != std::string::npos;
    }

    Listener handler;
    std::unique_ptr<EdgeWorld> world;
    std::unique_ptr<HttpServer> http;
    std::unique_ptr<LineServer> lines;
    Address http_at, lines_at;
};

TEST_P(FullRoomTest, StreamsThatNobodyReadsTakeTheirRoomAndLeaveItToWhoReads) {
    constexpr std::size_t kRoom = 1u << 20;
    serve(kRoom);
    const std::string piece(150'000, 'x');
    std::vector<StreamToken> asleep;
    for (int i = 0; i < 12; ++i) {
        const int client = world->connect(http_at);
        asleep.push_back(open_stream(client));
        world->stop_reading(client);
    }
    for (const StreamToken stream : asleep) {
        for (int i = 0; i < 1000; ++i) {
            if (http->stream_write(stream, piece) != WriteOutcome::kOk) break;
            world->settle();
        }
    }
    EXPECT_LE(world->reactor->client_bytes(), kRoom);
    EXPECT_GT(world->reactor->client_bytes(), kRoom / 2);
    const int reader = world->connect(http_at);
    const StreamToken stream = open_stream(reader);
    ASSERT_EQ(http->stream_write(stream, piece), WriteOutcome::kFull);
    EXPECT_EQ(handler.closes, 0u) << "nobody has waited yet";
    handler.drains = 0;
    world->advance_ms(1'100);
    EXPECT_GT(handler.closes, 0u);
    EXPECT_LT(handler.closes, asleep.size()) << "no more than there had to be";
    ASSERT_TRUE(pump([&] { return handler.drains > 0; }));
    EXPECT_EQ(http->stream_write(stream, piece), WriteOutcome::kOk);
    EXPECT_TRUE(pump([&] { return has(reader, piece); }));
    EXPECT_EQ(http->counters().cut_off, handler.closes);
}

TEST_P(FullRoomTest, HalfHeadsDoNotFillTheServer) {
    constexpr std::size_t kRoom = 100'000;
    serve(kRoom);
    const std::string half = "GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + std::string(10'000, 'x');
    std::vector<int> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(world->connect(http_at));
        world->write(clients.back(), half);
        world->settle();
    }
    EXPECT_LE(world->reactor->client_bytes(), kRoom + (64u << 10));
    EXPECT_TRUE(has(clients.back(), "HTTP/1.1 503"));
    EXPECT_TRUE(has(clients.back(), "came in pieces"));
    EXPECT_FALSE(has(clients.front(), "HTTP/1.1"));
    world->advance_ms(1'100);
    const int late = world->connect(http_at);
    world->write(late, half);
    world->settle();
    EXPECT_TRUE(pump([&] { return has(clients.front(), "HTTP/1.1 408"); }))
        << "it has had its time";
    world->write(late, "\r\n\r\n");
    EXPECT_TRUE(pump([&] { return !handler.tokens.empty(); }));
}

TEST_P(FullRoomTest, HalfLinesWaitForRoomAndWhoSleepsInOneIsCutOffWithAWord) {
    constexpr std::size_t kRoom = 300'000;
    serve(kRoom);
    const std::string half = "{\"a\":\"" + std::string(150'000, 'x');
    std::vector<int> clients;
    for (int i = 0; i < 6; ++i) {
        clients.push_back(world->connect(lines_at));
        world->write(clients.back(), half);
        world->settle();
    }
    EXPECT_LE(world->reactor->client_bytes(), kRoom);
    const int small = world->connect(lines_at);
    world->write(small, "{}\n");
    EXPECT_TRUE(pump([&] { return has(small, "\"ack\":1"); })) << "what is short needs no room";
    EXPECT_EQ(handler.bytes, 3u);
    // Those who go on get through, one after the other; the others have had their time.
    world->write(clients[5], "\"}\n");
    for (int i = 0; i < 8 && handler.bytes < half.size(); ++i) world->advance_ms(1'100);
    EXPECT_TRUE(has(clients[0], "did not go on")) << world->received(clients[0]);
    EXPECT_TRUE(has(clients[0], "UNAVAILABLE"));
    EXPECT_TRUE(pump(
        [&] { return handler.bytes == 3 + half.size() + 3 || has(clients[5], "did not go on"); }));
    EXPECT_LE(world->reactor->client_bytes(), kRoom);
}

TEST_P(FullRoomTest, AConnectionThatRestsKeepsNoLargeBuffer) {
    serve(1u << 20);
    for (int i = 0; i < 8; ++i) {
        const int client = world->connect(lines_at);
        std::string many;
        for (int line = 0; line < 2'000; ++line)
            many += "{\"number\":" + std::to_string(line) + "}\n";
        world->write(client, many);
        EXPECT_TRUE(pump([&] { return has(client, "\"ack\":2000"); }));
    }
    EXPECT_LE(world->reactor->client_bytes(), 1u << 20);
    const int reader = world->connect(http_at);
    const StreamToken stream = open_stream(reader);
    world->settle();  // its head is out
    const std::string large(1u << 20, 'x');
    if (world->reactor->client_bytes() > 0) {
        EXPECT_EQ(http->stream_write(stream, large), WriteOutcome::kFull);
        world->advance_ms(1'100);
        EXPECT_EQ(world->reactor->client_bytes(), 0u);
    }
    EXPECT_EQ(http->stream_write(stream, large), WriteOutcome::kOk);
    EXPECT_EQ(lines->counters().refused, 0u) << "they rest, and did nothing wrong";
    EXPECT_EQ(lines->connections(), 8u);
}

// Its user is in the midst of a call that has the stream in its hands.
TEST_P(FullRoomTest, WhoeverAsksForRoomIsNotCutOffWithinTheCall) {
    constexpr std::size_t kRoom = 300'000;
    serve(kRoom);
    const int client = world->connect(http_at);
    const StreamToken stream = open_stream(client);
    world->stop_reading(client);
    const std::string piece(50'000, 'x');
    for (int i = 0; i < 1000 && http->stream_write(stream, piece) == WriteOutcome::kOk; ++i)
        world->settle();
    world->advance_ms(1'100);  // it takes nothing
    EXPECT_FALSE(http->keep_for_stream(stream, 2 * kRoom));
    EXPECT_EQ(handler.closes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Worlds, FullRoomTest,
                         testing::Values(World::kMemory, World::kEpoll, World::kIoUring,
                                         World::kTransformed, World::kTls),
                         world_name);

}  // namespace
}  // namespace millrace::io
