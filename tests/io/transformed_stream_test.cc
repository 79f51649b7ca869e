// Goal: under a transform a handshake goes before everything, a peer that breaks it is told and let
// go, an end that is not said is no end, and a slow client does not make a second copy of all that
// waits for it.
// Method: an HTTP server behind a FrameTransform; its clients speak on the wire themselves.
#include "io/http_server.h"
#include "tests/io/edge_world.h"

namespace millrace::io {
namespace {

class TransformedStreamTest : public testing::Test, public HttpHandler {
protected:
    TransformedStreamTest() {
        address_ = *server_.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst,
                                   world_.transforms());
    }
    void on_request(Request& request) override {
        ++requests_;
        const std::string body(answer_bytes_, 'x');
        server_.respond(request.token, ResponseHead{}, body);
    }
    // A client whose wire the test writes itself.
    int connect_raw() { return world_.network.connect(address_); }

    EdgeWorld world_{World::kTransformed};
    HttpServer server_{*world_.reactor, *this, HttpLimits{}};
    Address address_;
    std::size_t requests_ = 0;
    std::size_t answer_bytes_ = 2;
};

TEST_F(TransformedStreamTest, NothingIsAnsweredBeforeTheHandshakeIsOver) {
    const int client = connect_raw();
    world_.network.write(client, "H");
    world_.settle();
    EXPECT_EQ(world_.network.read(client), "");
    world_.network.write(client, "I");
    world_.settle();
    EXPECT_EQ(world_.network.read(client), "YO");
    EXPECT_EQ(requests_, 0u);
    EXPECT_FALSE(world_.network.ended(client));
}

TEST_F(TransformedStreamTest, WhoBreaksTheHandshakeIsToldAndLetGo) {
    const int client = connect_raw();
    world_.network.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    EXPECT_EQ(world_.network.read(client), "NO");
    EXPECT_TRUE(world_.network.ended(client));
    EXPECT_EQ(requests_, 0u);
    EXPECT_EQ(server_.connections(), 1u) << "so that what it was told is not reset";
    world_.advance_ms(2100);
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, WhoHasBrokenTheHandshakeAndGoesIsForgottenAtOnce) {
    const int client = connect_raw();
    world_.network.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    world_.network.finish(client);
    world_.settle();
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, WhoHasBrokenTheHandshakeAndSendsOnIsCutOff) {
    const int client = connect_raw();
    for (int i = 0; i < 9; ++i) {
        world_.network.write(client, std::string(10'000, 'x'));
        world_.settle();
    }
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, ABrokenRecordEndsTheConnection) {
    const int client = world_.connect(address_);
    world_.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    EXPECT_EQ(requests_, 1u);
    world_.write_wire(client, "\xff\xff");
    world_.settle();
    EXPECT_TRUE(world_.ended(client));
    world_.advance_ms(2100);
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, AnEndThatIsNotSaidCutsOff) {
    const int said = world_.connect(address_);
    const int cut = world_.connect(address_);
    for (const int client : {said, cut})
        world_.write(client,
                     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc");
    world_.settle();
    EXPECT_EQ(server_.connections(), 2u);
    world_.cut(cut);
    world_.settle();
    EXPECT_TRUE(world_.ended(cut));
    world_.finish(said);
    world_.settle();
    EXPECT_EQ(requests_, 0u);
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, OurEndIsSaid) {
    const int client = world_.connect(address_);
    world_.write(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    world_.settle();
    EXPECT_TRUE(world_.received(client).ends_with("xx"));
    EXPECT_TRUE(world_.ended(client));
    EXPECT_TRUE(world_.peer_said_end(client));
}

TEST_F(TransformedStreamTest, TheEndOfAnIdleConnectionIsSaidToo) {
    const int client = world_.connect(address_);
    world_.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    EXPECT_TRUE(world_.received(client).ends_with("xx"));
    world_.advance_ms(HttpLimits{}.idle_ms_max + 100);
    EXPECT_TRUE(world_.ended(client));
    EXPECT_TRUE(world_.peer_said_end(client));
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, AnEndOfTheClientsIsAnsweredByOurs) {
    const int client = world_.connect(address_);
    world_.settle();
    world_.finish(client);
    world_.settle();
    EXPECT_TRUE(world_.peer_said_end(client));
    EXPECT_EQ(server_.connections(), 0u);
}

TEST_F(TransformedStreamTest, ASlowClientGetsItAllInTheEndAndIsSealedInPieces) {
    answer_bytes_ = 2'000'000;
    const int client = world_.connect(address_);
    world_.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    world_.stop_reading(client);
    world_.write(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world_.settle();
    EXPECT_EQ(requests_, 2u);
    world_.start_reading(client);
    ASSERT_TRUE(world_.pump_until([&] { return world_.received(client).size() > 4'000'000; }));
    world_.settle();
    EXPECT_TRUE(world_.received(client).ends_with("xxxx"));
    EXPECT_EQ(server_.connections(), 1u);
}

}  // namespace
}  // namespace millrace::io
