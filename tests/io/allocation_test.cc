// Goal: no allocation per request or line in the steady state. Method: operator new counts; a
// client on plain sockets in the same thread, warmed up, then thousands of requests and lines.
#include "core/clock.h"
#include "io/http_server.h"
#include "io/line_server.h"
#include "io/router.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {
std::uint64_t g_allocations = 0;
}

// g++ 12 inlines one side of the pair and takes free() for a mismatch.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++g_allocations;
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    ++g_allocations;
    return std::malloc(bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace millrace::io {
namespace {

int connect_to(const Address& to) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(to.port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
    return socket;
}

class Answerer final : public HttpHandler {
public:
    HttpServer* server = nullptr;
    Router router;
    RouteMatch match;
    std::uint64_t requests = 0;
    void on_request(Request& request) override {
        ++requests;
        router.match(request.method, request.path, match);
        BodyWriter body = server->body_writer();
        body.append(R"({"success":true,"accepted":)");
        body.append_int(request.body_view().size());
        body.append("}");
        ResponseHead head;
        head.status = match.outcome == RouteOutcome::kFound ? 202 : 404;
        server->respond(request.token, head, std::move(body));
    }
};

class Acker final : public LineHandler {
public:
    LineServer* server = nullptr;
    std::uint64_t lines = 0;
    core::Status on_hello(LineToken, const LineHello&, const Peer&) override { return {}; }
    void on_lines(LineBatch&& batch) override {
        lines += batch.line_count;
        server->ack(batch.connection, batch.first_line + batch.line_count - 1, "fsync");
    }
};

class AllocationTest : public testing::TestWithParam<BackendChoice> {
protected:
    AllocationTest() {
        ReactorOptions options;
        options.backend = GetParam();
        reactor = std::move(*Reactor::create(options, clock));
    }
    // Sends the bytes and polls until `wanted` bytes have come back; allocates nothing itself.
    void exchange(int socket, std::string_view bytes, std::size_t wanted) {
        ASSERT_EQ(::send(socket, bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
        char buffer[4096];
        while (wanted > 0) {
            reactor->poll(0);
            const ssize_t got = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got > 0) wanted -= std::min(wanted, static_cast<std::size_t>(got));
        }
    }
    core::RealClock clock;
    std::unique_ptr<Reactor> reactor;
};

TEST_P(AllocationTest, AnswersKeepAliveRequestsWithoutAllocating) {
    Answerer handler;
    handler.router.add(Method::kPost, "/v2/events", 1);
    HttpServer server(*reactor, handler, {});
    handler.server = &server;
    const Address address = *server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    const int client = connect_to(address);
    const std::string body(345, 'x');
    const std::string one =
        "POST /v2/events?ids=0 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: 345\r\n\r\n" +
        body;
    const std::string answer =
        "HTTP/1.1 202 Accepted\r\nDate: Sat, 21 Nov 2026 04:39:19 GMT\r\n"
        "Content-Type: application/json\r\nContent-Length: 31\r\n\r\n"
        "{\"success\":true,\"accepted\":345}";
    const std::string four = one + one + one + one;
    for (int i = 0; i < 300; ++i)
        exchange(client, i % 2 ? four : one, answer.size() * (i % 2 ? 4 : 1));
    const std::uint64_t before = g_allocations;
    for (int i = 0; i < 4000; ++i)
        exchange(client, i % 2 ? four : one, answer.size() * (i % 2 ? 4 : 1));
    EXPECT_EQ(g_allocations - before, 0u);
    EXPECT_EQ(handler.requests, 4300u / 2 * 5);
    ::close(client);
}

TEST_P(AllocationTest, AcksLinesWithoutAllocating) {
    Acker handler;
    LineServer server(*reactor, handler, {});
    handler.server = &server;
    const Address address = *server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    const int client = connect_to(address);
    // The first line has to be an object: nothing else is taken for a line.
    const std::string line = R"({"x":")" + std::string(337, 'x') + "\"}\n";
    const auto rounds = [&](int count) {
        for (int i = 0; i < count; ++i) exchange(client, line, 20);
    };
    rounds(300);
    const std::uint64_t before = g_allocations;
    rounds(4000);
    EXPECT_EQ(g_allocations - before, 0u);
    EXPECT_EQ(handler.lines, 4300u);
    ::close(client);
}

INSTANTIATE_TEST_SUITE_P(Backends, AllocationTest,
                         testing::Values(BackendChoice::kEpoll, BackendChoice::kIoUring),
                         [](const auto& one) {
                             return one.param == BackendChoice::kEpoll ? "epoll" : "io_uring";
                         });

}  // namespace
}  // namespace millrace::io
