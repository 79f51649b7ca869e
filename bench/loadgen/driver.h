// What: one thread's connections under load. Closed loop: each connection keeps `in_flight`
//       requests on the way. Open loop: requests are due at a fixed rate whether or not answers
//       come, and latency counts from the time a request was due, so that a stalled server can
//       not hide its stall.
// Threads: run() on one; several drivers run side by side. Lifetime: its sockets live as long.
// Limits: the process's descriptors. Failure: a broken connection ends the run with its text.
#pragma once

#include "bench/loadgen/histogram.h"
#include "bench/loadgen/protocol.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;
struct ssl_ctx_st;

namespace millrace::bench {

struct LoadOptions {
    RequestOptions request;
    std::string address;  // HOST:PORT, or a path for a Unix socket
    bool tls = false;     // whoever the server is: nothing is verified
    std::size_t connections = 1;
    std::size_t in_flight = 1;  // requests on the way per connection
    double rate_events = 0;     // per second and driver; 0: closed loop
    double warmup_seconds = 1;
    double seconds = 5;
    std::uint64_t events_max = 0;  // ends early after so many; 0: by time alone
    std::uint64_t seed = 1;
};

struct LoadResult {
    Histogram latency_ns;
    std::uint64_t events = 0;      // finished in the measured time
    std::uint64_t events_all = 0;  // with the warm-up and the tail
    std::uint64_t errors = 0;
    std::uint64_t events_refused = 0;
    std::uint64_t late_requests = 0;  // open loop: due while no connection was free
    double seconds = 0;
    std::string failure;  // empty when the run went to its end
    std::string first_error;
};

class Driver {
public:
    explicit Driver(const LoadOptions& options);
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    ~Driver();

    // Connects; false with result().failure set when it can not.
    bool connect_all();
    void run();
    const LoadResult& result() const { return result_; }

private:
    using Clock = std::chrono::steady_clock;

    struct Connection {
        int descriptor = -1;
        ssl_st* tls = nullptr;
        std::unique_ptr<Request> request;
        std::unique_ptr<ReplyReader> reader;
        std::deque<Clock::time_point> due;  // of the requests on the way, oldest first
        std::size_t sent_bytes = 0;         // of the request being sent
        bool sending = false;
        bool wants_write = false;
    };

    bool may_start(const Connection& connection) const;
    void start_requests(Connection& connection, Clock::time_point now);
    bool continue_sending(Connection& connection);
    bool receive(Connection& connection);
    void finish_requests(Connection& connection, std::size_t count);
    void watch_writes(Connection& connection, bool wanted);
    void schedule_open_loop(Clock::time_point now);
    bool in_window(Clock::time_point now) const { return now >= window_from_ && now < window_to_; }
    bool draining(Clock::time_point now) const;
    void fail(const std::string& text);
    // As the system's calls of these names; -1 with EAGAIN.
    static long send_some(Connection& connection, std::string_view bytes);
    long receive_some(Connection& connection);
    bool start_tls(Connection& connection);

    LoadOptions options_;
    LoadResult result_;
    IdSource ids_;
    std::vector<Connection> connections_;
    std::vector<char> input_;
    int poll_ = -1;
    ssl_ctx_st* tls_ = nullptr;
    std::size_t on_the_way_ = 0;
    Clock::time_point window_from_;
    Clock::time_point window_to_;
    Clock::time_point next_due_;
    std::deque<Clock::time_point> backlog_;
    std::size_t next_connection_ = 0;
    bool stopping_ = false;
};

}  // namespace millrace::bench
