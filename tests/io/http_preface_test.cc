// Goal: a connection that begins as HTTP/2 is the handler's, however its preface is cut; all others
// are HTTP/1.1 as ever. Method: as http_server_test's, a handler that keeps what comes.
#include "io/http_server.h"
#include "tests/io/edge_world.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::io {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Taker final : public HttpHandler {
public:
    bool takes = true;
    std::vector<StreamToken> taken;
    std::string bytes;
    std::size_t requests = 0, closes = 0, going_away = 0;
    HttpServer* server = nullptr;

    void on_request(Request& request) override {
        ++requests;
        server->respond(request.token, ResponseHead{}, "answer");
    }
    bool on_preface(StreamToken connection, const Peer& peer,
                    std::span<const std::string>) override {
        EXPECT_TRUE(peer.is_loopback());
        if (takes) taken.push_back(connection);
        return takes;
    }
    void on_stream_bytes(StreamToken connection, std::string_view data) override {
        EXPECT_EQ(connection, taken.back());
        bytes += data;
    }
    void on_stream_close(StreamToken) override { ++closes; }
    void on_going_away(StreamToken) override { ++going_away; }
};

class HttpPrefaceTest : public testing::TestWithParam<World> {
protected:
    HttpPrefaceTest() {
        server = std::make_unique<HttpServer>(*world.reactor, handler, HttpLimits{});
        handler.server = server.get();
        auto bound =
            server->listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst, world.transforms());
        EXPECT_TRUE(bound);
        if (bound) address = *bound;
    }
    bool pump(const std::function<bool()>& condition) { return world.pump_until(condition); }
    bool came(std::string_view bytes) {
        return pump([&] { return handler.bytes == bytes; });
    }

    EdgeWorld world{GetParam()};
    Taker handler;
    std::unique_ptr<HttpServer> server;
    Address address;
};

TEST_P(HttpPrefaceTest, HandsTheConnectionOverHoweverItIsCut) {
    const std::string all = std::string(kPreface) + "frames";
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
        handler.bytes.clear();
        const int client = world.connect(address);
        world.write(client, all.substr(0, cut));
        world.settle();
        world.write(client, all.substr(cut));
        ASSERT_TRUE(came(all)) << cut;
        EXPECT_EQ(server->stream_write(handler.taken.back(), "said"), WriteOutcome::kOk);
        ASSERT_TRUE(pump([&] { return world.received(client) == "said"; })) << cut;
        server->end_stream(handler.taken.back());
        EXPECT_TRUE(pump([&] { return world.ended(client); })) << cut;
        world.finish(client);
    }
    EXPECT_EQ(handler.requests, 0u);
    EXPECT_EQ(handler.closes, 0u);
    EXPECT_TRUE(pump([&] { return server->connections() == 0; }));
}

TEST_P(HttpPrefaceTest, WhatNobodyTakesIsNoRequest) {
    handler.takes = false;
    const int client = world.connect(address);
    world.write(client, kPreface);
    ASSERT_TRUE(pump([&] { return world.received(client).starts_with("HTTP/1.1 "); }));
    EXPECT_FALSE(world.received(client).starts_with("HTTP/1.1 2"));
    EXPECT_EQ(handler.requests + handler.taken.size(), 0u);
}

TEST_P(HttpPrefaceTest, BehindARequestItIsNone) {
    const int client = world.connect(address);
    world.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kPreface));
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_EQ(handler.requests, 1u);
    EXPECT_TRUE(handler.taken.empty());
    EXPECT_NE(world.received(client).find("answer"), std::string::npos);
}

TEST_P(HttpPrefaceTest, ADrainAsksTheHandlerToEndIt) {
    const int client = world.connect(address);
    world.write(client, kPreface);
    ASSERT_TRUE(came(kPreface));
    server->drain();
    world.settle();
    EXPECT_EQ(handler.going_away, 1u);
    EXPECT_EQ(server->undrained(), 1u);
    EXPECT_EQ(server->stream_write(handler.taken.back(), "bye"), WriteOutcome::kOk);
    server->end_stream(handler.taken.back());
    ASSERT_TRUE(pump([&] { return world.ended(client); }));
    EXPECT_EQ(world.received(client), "bye");
    world.finish(client);
    EXPECT_TRUE(pump([&] { return server->undrained() == 0; }));
    const int late = world.connect(address);
    world.write(late, kPreface);
    ASSERT_TRUE(pump([&] { return world.ended(late); }));
    EXPECT_EQ(handler.taken.size(), 1u);
}

TEST_P(HttpPrefaceTest, TellsWhenTheClientIsGone) {
    const int client = world.connect(address);
    world.write(client, kPreface);
    ASSERT_TRUE(came(kPreface));
    world.reset(client);
    EXPECT_TRUE(pump([&] { return handler.closes == 1; }));
    EXPECT_EQ(server->stream_write(handler.taken.back(), "x"), WriteOutcome::kClosed);
}

INSTANTIATE_TEST_SUITE_P(Worlds, HttpPrefaceTest,
                         testing::Values(World::kMemory, World::kEpoll, World::kIoUring,
                                         World::kTransformed, World::kTls),
                         world_name);

}  // namespace
}  // namespace millrace::io
