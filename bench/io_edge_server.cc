// What is measured: the edge alone. Answers every request with 202 and a short body, like nginx's
// `return 202`, so that bench/io_edge.sh can compare the two under wrk in one run.
// Takes NDJSON at a second port and acks it at once, for the rate at which lines come in.
// Usage: io_edge_server HOST:PORT [auto|io_uring|epoll] [HOST:PORT]; ends on SIGTERM or SIGINT.
#include "core/clock.h"
#include "io/http_server.h"
#include "io/line_server.h"

#include <csignal>
#include <cstdio>
#include <string>

namespace {

volatile std::sig_atomic_t g_stop = 0;

class Accept202 final : public millrace::io::HttpHandler {
public:
    millrace::io::HttpServer* server = nullptr;
    std::uint64_t body_bytes = 0;

    void on_request(millrace::io::Request& request) override {
        body_bytes += request.body_view().size();
        millrace::io::ResponseHead head;
        head.status = 202;
        server->respond(request.token, head, R"({"success":true})");
    }
};

class AckAll final : public millrace::io::LineHandler {
public:
    millrace::io::LineServer* server = nullptr;

    millrace::core::Status on_hello(millrace::io::LineToken, const millrace::io::LineHello&,
                                    const millrace::io::Peer&) override {
        return {};
    }
    void on_lines(millrace::io::LineBatch&& batch) override {
        server->ack(batch.connection, batch.first_line + batch.line_count - 1, "memory");
    }
};

}  // namespace

int main(int argc, char** argv) {
    using namespace millrace;
    auto address = io::Address::parse(argc > 1 ? argv[1] : "127.0.0.1:0");
    auto line_address = io::Address::parse(argc > 3 ? argv[3] : "127.0.0.1:0");
    auto backend = io::parse_backend_choice(argc > 2 ? argv[2] : "auto");
    if (!address || !backend || !line_address) return 2;
    core::RealClock clock;
    io::ReactorOptions options;
    options.backend = *backend;
    auto reactor = io::Reactor::create(options, clock);
    if (!reactor) {
        std::fprintf(stderr, "%s\n", reactor.error().message.c_str());
        return 1;
    }
    Accept202 handler;
    io::HttpServer server(**reactor, handler, io::HttpLimits{});
    handler.server = &server;
    auto bound = server.listen(*address, io::ListenRole::kFirst);
    if (!bound) {
        std::fprintf(stderr, "%s\n", bound.error().message.c_str());
        return 1;
    }
    AckAll line_handler;
    io::LineServer lines(**reactor, line_handler, io::LineLimits{});
    line_handler.server = &lines;
    auto lines_bound = lines.listen(*line_address, io::ListenRole::kFirst);
    if (!lines_bound) {
        std::fprintf(stderr, "%s\n", lines_bound.error().message.c_str());
        return 1;
    }
    std::signal(SIGTERM, [](int) { g_stop = 1; });
    std::signal(SIGINT, [](int) { g_stop = 1; });
    std::printf("%s %s %s\n", bound->to_string().c_str(),
                std::string((*reactor)->backend_name()).c_str(), lines_bound->to_string().c_str());
    std::fflush(stdout);
    while (!g_stop) (*reactor)->poll(100'000);
    const io::HttpCounters& counters = server.counters();
    std::printf("requests %llu, body bytes %llu\n",
                static_cast<unsigned long long>(counters.requests),
                static_cast<unsigned long long>(handler.body_bytes));
    std::printf("lines %llu, bytes %llu\n", static_cast<unsigned long long>(lines.counters().lines),
                static_cast<unsigned long long>(lines.counters().bytes_in));
    return 0;
}
