#include "bench/loadgen/driver.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::bench {

namespace {

constexpr std::size_t kInputBytes = 256u << 10;
constexpr int kSendBufferBytes = 4 << 20;  // a whole batch fits: one send call a request
constexpr std::chrono::seconds kDrainMax{10};

int connect_to(const std::string& address, std::string& problem) {
    int descriptor = -1;
    int outcome = -1;
    if (!address.empty() && address.front() == '/') {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strncpy(name.sun_path, address.c_str(), sizeof name.sun_path - 1);
        descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        outcome = connect(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    } else {
        const std::size_t colon = address.rfind(':');
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
        inet_pton(AF_INET, address.substr(0, colon).c_str(), &name.sin_addr);
        descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        outcome = connect(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name);
        const int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (outcome != 0) {
        problem = "connect to " + address + " failed: " + std::strerror(errno);
        close(descriptor);
        return -1;
    }
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
    return descriptor;
}

}  // namespace

Driver::Driver(const LoadOptions& options)
    : options_(options),
      ids_(options.seed),
      connections_(options.connections),
      input_(kInputBytes) {}

Driver::~Driver() {
    for (Connection& connection : connections_) {
        SSL_free(connection.tls);
        if (connection.descriptor >= 0) close(connection.descriptor);
    }
    SSL_CTX_free(tls_);
    if (poll_ >= 0) close(poll_);
}

void Driver::fail(const std::string& text) {
    if (result_.failure.empty()) result_.failure = text;
    stopping_ = true;
}

bool Driver::connect_all() {
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
        Connection& connection = connections_[i];
        std::string problem;
        connection.descriptor = connect_to(options_.address, problem);
        if (connection.descriptor < 0) {
            fail(problem);
            return false;
        }
        if (options_.tls && !start_tls(connection)) {
            fail("the TLS handshake with " + options_.address + " failed");
            return false;
        }
        fcntl(connection.descriptor, F_SETFL, fcntl(connection.descriptor, F_GETFL) | O_NONBLOCK);
        connection.request = std::make_unique<Request>(options_.request);
        connection.reader = make_reply_reader(options_.request);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        epoll_ctl(poll_, EPOLL_CTL_ADD, connection.descriptor, &event);
    }
    return true;
}

// On a socket that still blocks.
bool Driver::start_tls(Connection& connection) {
    if (!tls_) {
        tls_ = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(tls_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        // One receive for a record, as without TLS: else its head is received by itself.
        SSL_CTX_set_read_ahead(tls_, 1);
    }
    connection.tls = SSL_new(tls_);
    return connection.tls && SSL_set_fd(connection.tls, connection.descriptor) == 1 &&
           SSL_connect(connection.tls) == 1;
}

long Driver::send_some(Connection& connection, std::string_view bytes) {
    if (!connection.tls)
        return send(connection.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::size_t sent = 0;
    if (SSL_write_ex(connection.tls, bytes.data(), bytes.size(), &sent) == 1)
        return static_cast<long>(sent);
    const int error = SSL_get_error(connection.tls, 0);
    errno = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
    return -1;
}

long Driver::receive_some(Connection& connection) {
    if (!connection.tls) return recv(connection.descriptor, input_.data(), input_.size(), 0);
    std::size_t got = 0;
    if (SSL_read_ex(connection.tls, input_.data(), input_.size(), &got) == 1)
        return static_cast<long>(got);
    const int error = SSL_get_error(connection.tls, 0);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

void Driver::watch_writes(Connection& connection, bool wanted) {
    if (connection.wants_write == wanted) return;
    connection.wants_write = wanted;
    epoll_event event{};
    event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = static_cast<std::uint64_t>(&connection - connections_.data());
    epoll_ctl(poll_, EPOLL_CTL_MOD, connection.descriptor, &event);
}

bool Driver::draining(Clock::time_point now) const {
    return stopping_ || now >= window_to_ ||
           (options_.events_max > 0 && result_.events_all >= options_.events_max);
}

bool Driver::may_start(const Connection& connection) const {
    return !connection.sending && connection.due.size() < options_.in_flight;
}

bool Driver::continue_sending(Connection& connection) {
    const std::string_view bytes = connection.request->bytes();
    while (connection.sent_bytes < bytes.size()) {
        const long sent = send_some(connection, bytes.substr(connection.sent_bytes));
        if (sent < 0) {
            if (errno == EAGAIN) {
                watch_writes(connection, true);
                return true;
            }
            fail(std::string("send failed: ") + std::strerror(errno));
            return false;
        }
        connection.sent_bytes += static_cast<std::size_t>(sent);
    }
    connection.sending = false;
    watch_writes(connection, false);
    return true;
}

// Starts what may be started now: all free slots in the closed loop, what is due in the open one.
void Driver::start_requests(Connection& connection, Clock::time_point now) {
    const bool open_loop = options_.rate_events > 0;
    while (may_start(connection)) {
        if (open_loop ? backlog_.empty() : draining(now)) return;
        Clock::time_point due = now;
        if (open_loop) {
            due = backlog_.front();
            backlog_.pop_front();
        }
        connection.request->refresh(ids_);
        connection.due.push_back(due);
        connection.sent_bytes = 0;
        connection.sending = true;
        ++on_the_way_;
        if (!continue_sending(connection)) return;
    }
}

void Driver::finish_requests(Connection& connection, std::size_t count) {
    if (count == 0) return;
    const auto now = Clock::now();
    const bool measured = in_window(now);
    const std::size_t events = connection.request->events();
    for (std::size_t i = 0; i < count && !connection.due.empty(); ++i) {
        const auto latency = now - connection.due.front();
        connection.due.pop_front();
        --on_the_way_;
        result_.events_all += events;
        if (!measured) continue;
        result_.events += events;
        result_.latency_ns.add(static_cast<std::uint64_t>(latency.count()));
    }
    start_requests(connection, now);
}

bool Driver::receive(Connection& connection) {
    // Of TLS a record may be left behind the one that was read, and nobody tells of it.
    do {
        const long got = receive_some(connection);
        if (got < 0) {
            if (errno == EAGAIN) return true;
            fail(std::string("receive failed: ") + std::strerror(errno));
            return false;
        }
        if (got == 0) {
            fail("the server closed a connection; last error: " + connection.reader->first_error);
            return false;
        }
        finish_requests(connection,
                        connection.reader->take({input_.data(), static_cast<std::size_t>(got)}));
    } while (connection.tls && SSL_has_pending(connection.tls) == 1 && !stopping_);
    return true;
}

void Driver::schedule_open_loop(Clock::time_point now) {
    const auto step = std::chrono::nanoseconds(static_cast<std::int64_t>(
        1e9 * static_cast<double>(options_.request.batch_events) / options_.rate_events));
    while (next_due_ <= now && next_due_ < window_to_) {
        backlog_.push_back(next_due_);
        next_due_ += step;
    }
    for (std::size_t tried = 0; tried < connections_.size() && !backlog_.empty(); ++tried) {
        Connection& connection = connections_[next_connection_];
        next_connection_ = (next_connection_ + 1) % connections_.size();
        if (may_start(connection)) start_requests(connection, now);
    }
    if (!backlog_.empty()) ++result_.late_requests;
}

void Driver::run() {
    const auto seconds = [](double value) {
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(value));
    };
    const auto started = Clock::now();
    window_from_ = started + seconds(options_.warmup_seconds);
    window_to_ = window_from_ + seconds(options_.seconds);
    next_due_ = started;
    if (options_.rate_events <= 0) {
        for (Connection& connection : connections_) start_requests(connection, started);
    }
    epoll_event events[64];
    auto now = started;
    while (!stopping_) {
        now = Clock::now();
        const bool closing = draining(now);
        if (closing && (on_the_way_ == 0 || now > window_to_ + kDrainMax)) break;
        timespec wait{0, 50'000'000};
        if (options_.rate_events > 0 && !closing) {
            schedule_open_loop(now);
            const auto left = std::max<std::int64_t>(0, (next_due_ - Clock::now()).count());
            wait.tv_nsec = std::min<std::int64_t>(left, 50'000'000);
        }
        const int ready = epoll_pwait2(poll_, events, 64, &wait, nullptr);
        for (int i = 0; i < ready && !stopping_; ++i) {
            Connection& connection = connections_[events[i].data.u64];
            if ((events[i].events & EPOLLOUT) != 0 && !continue_sending(connection)) break;
            if ((events[i].events & EPOLLOUT) != 0) start_requests(connection, Clock::now());
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(connection);
        }
    }
    const auto ended = std::min(now, window_to_);
    result_.seconds = std::max(0.0, std::chrono::duration<double>(ended - window_from_).count());
    for (const Connection& connection : connections_) {
        result_.errors += connection.reader->errors;
        result_.events_refused += connection.reader->events_refused;
        if (result_.first_error.empty()) result_.first_error = connection.reader->first_error;
    }
}

}  // namespace millrace::bench
