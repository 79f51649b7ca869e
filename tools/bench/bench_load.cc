#include "tools/bench/bench_load.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kDigits = 12;  // of an event's number
constexpr int kAnswerMsMax = 30'000;
constexpr int kWakesMax = 64;

core::Error unavailable(std::string why) {
    return core::Error(core::ErrorCode::kUnavailable, "bench: " + std::move(why));
}

class Socket {
public:
    explicit Socket(int fd) : fd_(fd) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    int fd() const { return fd_; }

private:
    int fd_;
};

core::Result<int> connect_to(const std::string& server) {
    std::string_view where = server;
    if (where.starts_with("http://")) where.remove_prefix(7);
    const std::size_t colon = where.rfind(':');
    if (colon == std::string_view::npos)
        return core::fail(unavailable("'" + server + "' is not HOST:PORT"));
    const std::string host(where.substr(0, colon));
    const std::string port(where.substr(colon + 1));
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
        return core::fail(unavailable("'" + host + "' is unknown"));
    const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool open = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    ::freeaddrinfo(found);
    if (!open) {
        if (fd >= 0) ::close(fd);
        return core::fail(unavailable("no connection to " + server));
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

// A request whose events get new ids before each sending.
class Request {
public:
    explicit Request(const BenchLoad& load) : keys_(load.keys) {
        std::string body;
        std::vector<std::size_t> in_body;
        for (unsigned i = 0; i < load.batch_events; ++i) {
            std::string event = R"({"eventId":")" + load.run;
            const std::size_t at = event.size();
            event += std::string(kDigits, '0') + R"(","pattern":")" + load.pattern;
            if (load.keys > 0) {
                event += R"(","partitionKey":")";
                key_behind_ = event.size() - at;
                event += std::string(kDigits, '0');
            }
            event += R"(","payload":{"n":1,"text":")";
            const std::size_t fixed = event.size() + 3;
            if (load.event_bytes > fixed) event.append(load.event_bytes - fixed, 'x');
            event += "\"}}";
            in_body.push_back(body.size() + at);
            body += event;
            if (load.batch_events > 1) body += '\n';
        }
        text_ = "POST /v2/events?ids=0 HTTP/1.1\r\nHost: localhost\r\nContent-Type: ";
        text_ += load.batch_events > 1 ? "application/x-ndjson" : "application/json";
        if (!load.api_key.empty()) text_ += "\r\nAuthorization: Bearer " + load.api_key;
        text_ += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
        for (const std::size_t at : in_body) numbers_at_.push_back(text_.size() + at);
        text_ += body;
    }

    std::string_view next(std::uint64_t& number) {
        for (const std::size_t at : numbers_at_) {
            if (keys_ > 0) write(at + key_behind_, number % keys_);
            write(at, number++);
        }
        return text_;
    }

private:
    void write(std::size_t at, std::uint64_t rest) {
        for (std::size_t digit = kDigits; digit-- > 0; rest /= 10)
            text_[at + digit] = static_cast<char>('0' + rest % 10);
    }

    const std::uint64_t keys_;
    std::size_t key_behind_ = 0;  // an event's number
    std::string text_;
    std::vector<std::size_t> numbers_at_;
};

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

// Bytes of the answer at the front; 0 while it is not whole.
std::size_t whole_answer(std::string_view text) {
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string_view::npos) return 0;
    const std::size_t at = text.find(kLength);
    std::size_t body = 0;
    if (at < head) std::from_chars(text.data() + at + kLength.size(), text.data() + head, body);
    const std::size_t all = head + 4 + body;
    return text.size() >= all ? all : 0;
}

struct Connection {
    explicit Connection(int fd) : socket(fd) {}
    Socket socket;
    std::string in{};
    Clock::time_point sent{};
};

class Loop {
public:
    explicit Loop(const BenchLoad& load)
        : load_(load), request_(load), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

    core::Status open() {
        for (unsigned i = 0; i < load_.connections; ++i) {
            auto fd = connect_to(load_.server);
            if (!fd) return core::fail(std::move(fd.error()));
            connections_.push_back(std::make_unique<Connection>(*fd));
            epoll_event wanted{};
            wanted.events = EPOLLIN;
            wanted.data.ptr = connections_.back().get();
            ::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, *fd, &wanted);
        }
        return {};
    }

    BenchFigures run() {
        const auto begin = Clock::now();
        end_ = begin + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(load_.seconds));
        for (const auto& connection : connections_) send(*connection);
        epoll_event ready[kWakesMax];
        while (waiting_ > 0 && !lost_) {
            const int count = ::epoll_wait(epoll_.fd(), ready, kWakesMax, kAnswerMsMax);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) lose("no answer in " + std::to_string(kAnswerMsMax / 1000) + " s");
            for (int i = 0; i < count && !lost_; ++i)
                receive(*static_cast<Connection*>(ready[i].data.ptr));
        }
        figures_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        std::sort(taken_us_.begin(), taken_us_.end());
        figures_.p50_us = percentile(0.5);
        figures_.p99_us = percentile(0.99);
        figures_.max_us = percentile(1);
        return std::move(figures_);
    }

private:
    double percentile(double part) const {
        if (taken_us_.empty()) return 0;
        return taken_us_[static_cast<std::size_t>(part *
                                                  static_cast<double>(taken_us_.size() - 1))];
    }

    void lose(std::string why) {
        lost_ = true;
        ++figures_.failed;
        if (figures_.first_failure.empty()) figures_.first_failure = std::move(why);
    }

    void send(Connection& connection) {
        connection.sent = Clock::now();
        if (connection.sent >= end_) return;
        if (!send_all(connection.socket.fd(), request_.next(number_)))
            return lose("the connection was lost");
        ++waiting_;
    }

    void receive(Connection& connection) {
        char bytes[16 << 10];
        const ssize_t got = ::recv(connection.socket.fd(), bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return lose("the server closed the connection");
        connection.in.append(bytes, static_cast<std::size_t>(got));
        const std::size_t answer = whole_answer(connection.in);
        if (answer == 0) return;
        const auto spent = Clock::now() - connection.sent;
        --waiting_;
        ++figures_.requests;
        taken_us_.push_back(static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(spent).count()));
        if (connection.in.starts_with("HTTP/1.1 202")) {
            figures_.events += load_.batch_events;
        } else {
            ++figures_.failed;
            if (figures_.first_failure.empty())
                figures_.first_failure = connection.in.substr(0, 400);
        }
        connection.in.erase(0, answer);
        send(connection);
    }

    const BenchLoad& load_;
    Request request_;
    Socket epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<std::uint32_t> taken_us_;
    BenchFigures figures_;
    Clock::time_point end_{};
    std::uint64_t number_ = 0;
    std::size_t waiting_ = 0;
    bool lost_ = false;
};

}  // namespace

core::Result<BenchFigures> run_bench_load(const BenchLoad& load) {
    Loop loop(load);
    if (auto opened = loop.open(); !opened) return core::fail(std::move(opened.error()));
    return loop.run();
}

core::Result<BenchDisk> measure_disk(const std::string& folder, double seconds) {
    const std::string path = folder + "/sync";
    const Socket file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    const std::string page(4096, 'x');
    std::vector<double> taken_us;
    const auto begin = Clock::now();
    const auto end =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (auto at = begin; at < end;) {
        if (::write(file.fd(), page.data(), page.size()) != static_cast<ssize_t>(page.size()) ||
            ::fdatasync(file.fd()) != 0) {
            return core::fail(unavailable(path + ": " + std::strerror(errno)));
        }
        const auto now = Clock::now();
        taken_us.push_back(std::chrono::duration<double, std::micro>(now - at).count());
        at = now;
    }
    ::unlink(path.c_str());
    std::sort(taken_us.begin(), taken_us.end());
    BenchDisk disk;
    disk.p50_us = taken_us[taken_us.size() / 2];
    disk.syncs_per_second = static_cast<double>(taken_us.size()) /
                            std::chrono::duration<double>(Clock::now() - begin).count();
    return disk;
}

}  // namespace millrace::tools
