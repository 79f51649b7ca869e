#include "runtime/links/peer_socket.h"

#include "runtime/courier/host_address.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace millrace::runtime {
namespace {

socklen_t fill_address(const std::string& text, std::int64_t port, sockaddr_storage& out) {
    const auto wire_port = htons(static_cast<std::uint16_t>(port));
    sockaddr_in four{};
    if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = wire_port;
        std::memcpy(&out, &four, sizeof four);
        return sizeof four;
    }
    sockaddr_in6 six{};
    if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) != 1) return 0;
    six.sin6_family = AF_INET6;
    six.sin6_port = wire_port;
    std::memcpy(&out, &six, sizeof six);
    return sizeof six;
}

}  // namespace

PeerSocket::PeerSocket(const core::Clock& clock, const courier::AddressRules& rules,
                       const std::string& host, std::int64_t port)
    : clock_(clock),
      peer_(host + ":" + std::to_string(port)),
      give_up_ns_(clock.monotonic_ns() + kConnectNs) {
    connect(rules, host, port);
}

void PeerSocket::fail(std::string_view what, int code) {
    if (!error_.empty()) return;
    error_ = std::string(what) + " " + peer_ + " failed: " + std::strerror(code);
}

void PeerSocket::connect(const courier::AddressRules& rules, const std::string& host,
                         std::int64_t port) {
    auto address = courier::resolve_host(rules, host);
    if (!address) {
        error_ = "connect to " + peer_ + " failed: " + address.error().message;
        return;
    }
    sockaddr_storage where{};
    const socklen_t bytes = fill_address(*address, port, where);
    if (bytes == 0) return fail("connect to", EAFNOSUPPORT);
    fd_ = OwnedFd(::socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_) return fail("socket for", errno);
    const int on = 1;
    (void)::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&where), bytes) == 0)
        connected_ = true;
    else if (errno != EINPROGRESS)
        fail("connect to", errno);
}

void PeerSocket::finish_connect() {
    pollfd fd{fd_.get(), POLLOUT, 0};
    if (::poll(&fd, 1, 0) != 1) {
        if (clock_.monotonic_ns() > give_up_ns_) fail("connect to", ETIMEDOUT);
        return;
    }
    int code = 0;
    socklen_t bytes = sizeof code;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &code, &bytes) != 0) code = errno;
    if (code != 0) return fail("connect to", code);
    connected_ = true;
}

void PeerSocket::flush() {
    while (sent_ < out_.size()) {
        const ssize_t got =
            ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            if (errno != EAGAIN) fail("send to", errno);
            break;
        }
        sent_ += static_cast<std::size_t>(got);
    }
    // The rest is moved when it is the smaller half, so that each byte is moved once at most.
    if (sent_ == out_.size()) {
        out_.clear();
        sent_ = 0;
    } else if (sent_ > kSentBytesKept && sent_ > out_.size() / 2) {
        out_.erase(0, sent_);
        sent_ = 0;
    }
}

std::string_view PeerSocket::turn() {
    if (!error_.empty()) return {};
    if (!connected_) finish_connect();
    if (!connected_ || !error_.empty()) return {};
    flush();
    in_.resize(kReadBytes);
    const ssize_t got = ::recv(fd_.get(), in_.data(), in_.size(), 0);
    if (got > 0) return std::string_view(in_).substr(0, static_cast<std::size_t>(got));
    if (got == 0)
        fail("read from", ECONNRESET);
    else if (errno != EAGAIN && errno != EINTR)
        fail("read from", errno);
    return {};
}

}  // namespace millrace::runtime
