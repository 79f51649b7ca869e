#include "runtime/links/peer_socket.h"

#include "runtime/courier/host_address.h"

#include <algorithm>
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

std::string peer_text(const std::string& host, std::int64_t port) {
    const bool brackets = host.find(':') != std::string::npos;
    return (brackets ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

PeerSocket::PeerSocket(const core::Clock& clock, const courier::AddressRules& rules,
                       const std::string& host, std::int64_t port, const PeerTls& tls)
    : clock_(clock),
      host_(host),
      peer_(peer_text(host, port)),
      give_up_ns_(clock.monotonic_ns() + kConnectNs) {
    connect(rules, host, port);
    if (error_.empty()) begin_tls(tls);
}

void PeerSocket::begin_tls(const PeerTls& tls) {
    if (tls.on) tls_ = std::make_unique<io::ClientTls>(host_, tls.authorities);
}

void PeerSocket::fail_tls() {
    if (error_.empty()) error_ = "TLS with " + peer_ + " failed: " + tls_->error();
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

// False: the socket takes no more now.
bool PeerSocket::send_some(std::string& bytes, std::size_t& sent) {
    while (sent < bytes.size()) {
        const ssize_t got =
            ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            if (errno != EAGAIN) fail("send to", errno);
            break;
        }
        sent += static_cast<std::size_t>(got);
    }
    // The rest is moved when it is the smaller half, so that each byte is moved once at most.
    if (sent == bytes.size()) {
        bytes.clear();
        sent = 0;
        return error_.empty();
    }
    if (sent > kSentBytesKept && sent > bytes.size() / 2) {
        bytes.erase(0, sent);
        sent = 0;
    }
    return false;
}

void PeerSocket::flush() {
    if (!tls_) {
        (void)send_some(out_, sent_);
        return;
    }
    // A piece at a time, so that what lies here a second time stays small.
    while (true) {
        wire_.append(tls_->wire());
        tls_->wire().clear();
        if (!send_some(wire_, wire_sent_) || !tls_->open() || out_.empty()) break;
        const std::size_t piece = std::min(kReadBytes, out_.size() - sent_);
        tls_->write(std::string_view(out_).substr(sent_, piece));
        sent_ += piece;
        if (sent_ == out_.size()) {
            out_.clear();
            sent_ = 0;
        } else if (sent_ > out_.size() / 2) {
            out_.erase(0, sent_);
            sent_ = 0;
        }
    }
    if (!tls_->error().empty()) fail_tls();
}

// What came stands in in_; what it says takes its place.
void PeerSocket::take_wire() {
    tls_->take(in_);
    in_.clear();
    tls_->read(in_);
    flush();
    if (tls_->ended() && in_.empty()) fail("read from", ECONNRESET);
}

std::string_view PeerSocket::turn() {
    if (!error_.empty()) return {};
    if (!connected_) finish_connect();
    if (!connected_ || !error_.empty()) return {};
    flush();
    if (tls_ && !error_.empty()) return {};
    // A peer that has hung up may have said why.
    in_.resize(kReadBytes);
    const ssize_t got = ::recv(fd_.get(), in_.data(), in_.size(), 0);
    if (got > 0) {
        in_.resize(static_cast<std::size_t>(got));
        if (tls_) take_wire();
        return in_;
    }
    if (got == 0)
        fail("read from", ECONNRESET);
    else if (errno != EAGAIN && errno != EINTR)
        fail("read from", errno);
    return {};
}

}  // namespace millrace::runtime
