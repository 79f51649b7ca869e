// Goal: a client's side of HTTP: answers of every framing come out as they were given, kept
// connections are used again, and what fails says whether it can have been taken.
// Method: the server of this folder on the same reactor, epoll and io_uring; where the peer must
// misbehave, a bare socket.
#include "io/http_client.h"

#include "core/clock.h"
#include "io/http_server.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::io {
namespace {

class Taken final : public HttpExchange {
public:
    void answer_head(const AnswerHead& head) override {
        status = head.status;
        etag = head.header("etag");
        type = head.content_type;
    }
    void answer_bytes(std::string_view bytes) override { body.append(bytes); }
    void answer_end() override { ended = true; }
    void failed(Failure how, std::string_view why) override {
        failure = how;
        reason = why;
    }
    bool over() const { return ended || failure; }

    int status = 0;
    std::string etag, type, body, reason;
    bool ended = false;
    std::optional<Failure> failure;
};

class Answers final : public HttpHandler {
public:
    HttpServer* server = nullptr;
    std::function<void(Request&)> answer;
    std::size_t requests = 0;
    std::optional<StreamToken> stream;
    std::string upgraded;
    bool closed = false;
    void on_request(Request& request) override {
        ++requests;
        answer(request);
    }
    void on_stream_bytes(StreamToken, std::string_view bytes) override { upgraded.append(bytes); }
    void on_stream_close(StreamToken) override { closed = true; }
};

class HttpClientTest : public testing::TestWithParam<BackendChoice> {
protected:
    HttpClientTest() {
        auto made = Reactor::create({.backend = GetParam()}, clock);
        if (!made) return;
        reactor = std::move(*made);
        server = std::make_unique<HttpServer>(*reactor, handler, HttpLimits{});
        handler.server = server.get();
        HttpClientLimits limits;
        limits.connect_ms_max = 200;
        client = std::make_unique<HttpClient>(*reactor, limits);
        address = *server->listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    }
    void SetUp() override { ASSERT_TRUE(reactor) << "the backend is refused on this machine"; }
    bool pump(const std::function<bool()>& so) {
        for (int i = 0; i < 20'000 && !so(); ++i) reactor->poll(1'000);
        return so();
    }
    bool get(Taken& taken, const Address& to, std::string_view head = kGet) {
        return client->start(taken, to, head, {});
    }
    static constexpr std::string_view kGet = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

    core::RealClock clock;
    std::unique_ptr<Reactor> reactor;
    Answers handler;
    std::unique_ptr<HttpServer> server;
    std::unique_ptr<HttpClient> client;
    Address address;
};

TEST_P(HttpClientTest, AnswersComeOutAndTheConnectionIsUsedAgain) {
    handler.answer = [this](Request& request) {
        const std::array<HeaderField, 1> headers{{{"ETag", "\"1\""}}};
        server->respond(request.token,
                        {.status = 201, .content_type = "text/plain", .headers = headers},
                        request.body ? request.body_view() : "nothing");
    };
    for (int i = 0; i < 3; ++i) {
        Taken taken;
        BodyWriter body = server->body_writer();
        body.append(std::string(100'000, 'b'));
        ASSERT_TRUE(client->start(taken, address,
                                  "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
                                  body.take()));
        ASSERT_TRUE(pump([&] { return taken.over(); }));
        EXPECT_EQ(taken.status, 201);
        EXPECT_EQ(taken.etag, "\"1\"");
        EXPECT_EQ(taken.type, "text/plain");
        EXPECT_EQ(taken.body, std::string(100'000, 'b'));
    }
    EXPECT_EQ(server->counters().accepted, 1u);
}

TEST_P(HttpClientTest, AnAnswerWithoutABodyEnds) {
    handler.answer = [this](Request& request) {
        server->respond(request.token, {.status = 204, .content_type = {}}, "");
    };
    Taken taken;
    ASSERT_TRUE(get(taken, address));
    ASSERT_TRUE(pump([&] { return taken.over(); }));
    EXPECT_EQ(taken.status, 204);
    EXPECT_TRUE(taken.ended);
}

TEST_P(HttpClientTest, AStreamComesInPiecesAndEnds) {
    handler.answer = [this](Request& request) {
        handler.stream = server->start_stream(request.token, {.status = 200});
        (void)server->stream_write(*handler.stream, "one");
    };
    Taken taken;
    ASSERT_TRUE(get(taken, address));
    ASSERT_TRUE(pump([&] { return taken.body == "one"; }));
    EXPECT_FALSE(taken.over());
    (void)server->stream_write(*handler.stream, "two");
    server->end_stream(*handler.stream);
    ASSERT_TRUE(pump([&] { return taken.over(); }));
    EXPECT_EQ(taken.body, "onetwo");
    EXPECT_TRUE(taken.ended);
}

TEST_P(HttpClientTest, ACancelledStreamIsToldToTheServer) {
    handler.answer = [this](Request& request) {
        handler.stream = server->start_stream(request.token, {.status = 200});
    };
    Taken taken;
    ASSERT_TRUE(get(taken, address));
    ASSERT_TRUE(pump([&] { return taken.status == 200; }));
    client->cancel(taken);
    ASSERT_TRUE(pump([&] { return handler.closed; }));
    EXPECT_FALSE(taken.over());
}

TEST_P(HttpClientTest, AnUpgradedConnectionIsNoHttp) {
    handler.answer = [this](Request& request) {
        const std::array<HeaderField, 2> headers{
            {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}}};
        handler.stream = server->start_upgrade(
            request.token, {.status = 101, .content_type = {}, .headers = headers}, "");
        (void)server->stream_write(*handler.stream, "hello");
    };
    Taken taken;
    ASSERT_TRUE(get(taken, address,
                    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\n\r\n"));
    ASSERT_TRUE(pump([&] { return taken.body == "hello"; }));
    EXPECT_EQ(taken.status, 101);
    EXPECT_TRUE(client->write(taken, "and back"));
    ASSERT_TRUE(pump([&] { return handler.upgraded == "and back"; }));
    server->end_stream(*handler.stream);
    ASSERT_TRUE(pump([&] { return taken.over(); }));
    EXPECT_TRUE(taken.ended);
}

TEST_P(HttpClientTest, NobodyThereMeansNotSent) {
    // A port that was free a moment ago.
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at);
    socklen_t bytes = sizeof at;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &bytes);
    Address nobody = address;
    nobody.port = ntohs(at.sin_port);
    ::close(fd);
    Taken taken;
    if (get(taken, nobody)) {
        ASSERT_TRUE(pump([&] { return taken.over(); }));
        EXPECT_EQ(taken.failure, HttpExchange::Failure::kNotSent);
    }
    Taken unix_taken;
    EXPECT_FALSE(get(unix_taken, *Address::parse("unix:/nowhere/at/all")));
}

TEST_P(HttpClientTest, APeerThatTakesItAndGoesLeavesItUnknown) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(listener, 4), 0);
    socklen_t bytes = sizeof at;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &bytes);
    Address peer = address;
    peer.port = ntohs(at.sin_port);
    for (const std::string_view said :
         {std::string_view(), std::string_view("HTTP/1.1 200 OK\r\nContent-Le"),
          std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
          std::string_view("SSH-2.0\r\n\r\n")}) {
        Taken taken;
        ASSERT_TRUE(get(taken, peer));
        for (int i = 0; i < 20; ++i) reactor->poll(1'000);
        const int accepted = ::accept(listener, nullptr, nullptr);
        ASSERT_GE(accepted, 0);
        char room[256];
        ASSERT_GT(::recv(accepted, room, sizeof room, 0), 0);
        ASSERT_EQ(::send(accepted, said.data(), said.size(), 0), ssize_t(said.size()));
        ::close(accepted);
        ASSERT_TRUE(pump([&] { return taken.over(); })) << said;
        EXPECT_EQ(taken.failure, HttpExchange::Failure::kUnknown) << said;
    }
    ::close(listener);
}

TEST_P(HttpClientTest, APausedAnswerWaits) {
    const std::string large(3u << 20, 'x');
    handler.answer = [&](Request& request) {
        server->respond(request.token, {.status = 200}, large);
    };
    Taken taken;
    ASSERT_TRUE(get(taken, address));
    ASSERT_TRUE(pump([&] { return !taken.body.empty(); }));
    client->pause(taken);
    for (int i = 0; i < 50; ++i) reactor->poll(1'000);
    const std::size_t stood = taken.body.size();
    for (int i = 0; i < 50; ++i) reactor->poll(1'000);
    EXPECT_EQ(taken.body.size(), stood);
    EXPECT_LT(stood, large.size());
    client->resume(taken);
    ASSERT_TRUE(pump([&] { return taken.over(); }));
    EXPECT_EQ(taken.body, large);
}

INSTANTIATE_TEST_SUITE_P(Backends, HttpClientTest,
                         testing::Values(BackendChoice::kEpoll, BackendChoice::kIoUring),
                         [](const auto& backend) {
                             return backend.param == BackendChoice::kEpoll ? "epoll" : "io_uring";
                         });

TEST(AnswerHead, ReadsWhatIsHttpAndNothingElse) {
    AnswerHead head;
    ASSERT_TRUE(parse_answer_head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX:\t y \r\n\r\n", head));
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.content_length, 5u);
    EXPECT_EQ(head.header("x"), "y");
    EXPECT_TRUE(head.keep_alive);
    ASSERT_TRUE(parse_answer_head("HTTP/1.0 503\r\n\r\n", head));
    EXPECT_FALSE(head.keep_alive);
    for (const char* broken :
         {"", "\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 999 x\r\n\r\n",
          "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
          "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"})
        EXPECT_FALSE(parse_answer_head(broken, head)) << broken;
}

}  // namespace
}  // namespace millrace::io
