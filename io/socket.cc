#include "io/socket.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::io {

namespace {

struct SockAddr {
    sockaddr_storage storage{};
    socklen_t bytes = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SockAddr to_sockaddr(const Address& address) {
    SockAddr out;
    if (address.family == Address::Family::kIpv4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(address.port);
        std::memcpy(&in.sin_addr, address.ip.data(), 4);
        std::memcpy(&out.storage, &in, sizeof in);
        out.bytes = sizeof in;
    } else if (address.family == Address::Family::kIpv6) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(address.port);
        std::memcpy(&in.sin6_addr, address.ip.data(), 16);
        std::memcpy(&out.storage, &in, sizeof in);
        out.bytes = sizeof in;
    } else {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, address.path.data(), address.path.size());
        std::memcpy(&out.storage, &un, sizeof un);
        out.bytes =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() + 1);
    }
    return out;
}

core::Result<Listener> listen_failed(const Address& address, int error) {
    std::string text = "io: listen " + address.to_string() + " failed: " + errno_name(error);
    if (error == EADDRINUSE)
        text += "; is another millrace running here? Take another port, or 0 for a free one";
    if (error == EACCES)
        text += "; ports below 1024 and foreign folders need a privilege (CAP_NET_BIND_SERVICE)";
    if (error == EADDRNOTAVAIL)
        text += "; no interface of this machine has that address (see: ip addr)";
    if (error == ENOENT) text += "; the folder of the Unix socket does not exist";
    return core::fail(core::ErrorCode::kUnavailable, std::move(text));
}

int open_socket(const Address& address) {
    const int family = address.family == Address::Family::kIpv4   ? AF_INET
                       : address.family == Address::Family::kIpv6 ? AF_INET6
                                                                  : AF_UNIX;
    return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

// A socket without SO_REUSEPORT can not bind beside one that listens, whatever options that one
// has.
int probe_free(const Address& address) {
    const int probe = open_socket(address);
    if (probe < 0) return errno;
    const int on = 1;
    ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const SockAddr where = to_sockaddr(address);
    const int error = ::bind(probe, where.get(), where.bytes) == 0 ? 0 : errno;
    ::close(probe);
    return error;
}

// A file left by a process that died refuses connections: it may go. A live one is left alone.
int clear_stale_unix(const Address& address) {
    struct stat info {};
    if (::lstat(address.path.c_str(), &info) != 0) return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(info.st_mode)) return EADDRINUSE;
    const int probe = open_socket(address);
    if (probe < 0) return errno;
    const SockAddr where = to_sockaddr(address);
    const bool dead = ::connect(probe, where.get(), where.bytes) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    if (!dead) return EADDRINUSE;
    return ::unlink(address.path.c_str()) == 0 ? 0 : errno;
}

// A process that was killed may hold its sockets for some milliseconds more: the kernel cancels
// what its ring had under way after the process is gone. A restart at once should not fail on that.
void wait_until_free(const Address& address) {
    constexpr int kTries = 20;
    constexpr int kPauseMs = 50;
    for (int i = 0; i < kTries; ++i) {
        const int error = address.family == Address::Family::kUnix ? clear_stale_unix(address)
                          : address.port != 0                      ? probe_free(address)
                                                                   : 0;
        if (error != EADDRINUSE) return;
        ::poll(nullptr, 0, kPauseMs);
    }
}

core::Result<Listener> listen_unix(const Address& address) {
    if (const int error = clear_stale_unix(address)) return listen_failed(address, error);
    const int socket = open_socket(address);
    if (socket < 0) return listen_failed(address, errno);
    const SockAddr where = to_sockaddr(address);
    // 0660 from the first moment on: there is no listener yet when the mode is narrowed.
    if (::bind(socket, where.get(), where.bytes) != 0 || ::chmod(address.path.c_str(), 0660) != 0 ||
        ::listen(socket, kListenBacklog) != 0) {
        const int error = errno;
        ::close(socket);
        return listen_failed(address, error);
    }
    return Listener{socket, address};
}

}  // namespace

std::string errno_name(int error) {
    const char* name = strerrorname_np(error);
    std::string text = error == EADDRINUSE ? "address in use" : std::strerror(error);
    return text + " (" + (name ? name : std::to_string(error)) + ")";
}

core::Result<Listener> open_listener(const Address& address, ListenRole role,
                                     std::size_t send_buffer_bytes) {
    if (role == ListenRole::kFirst) wait_until_free(address);
    if (address.family == Address::Family::kUnix) return listen_unix(address);
    if (role == ListenRole::kFirst && address.port != 0) {
        if (const int error = probe_free(address)) return listen_failed(address, error);
    }
    const int socket = open_socket(address);
    if (socket < 0) return listen_failed(address, errno);
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // Accepted sockets inherit it: no system call for each.
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // What is accepted inherits these: a peer that vanished without a word, from a stream that has
    // nothing to say for hours, is found by the system.
    if (send_buffer_bytes != 0) {
        const int bytes = static_cast<int>(send_buffer_bytes);
        ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    const int idle_s = 60, every_s = 15, probes = 4, unacked_ms = 120'000;
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof unacked_ms);
    const SockAddr where = to_sockaddr(address);
    if (::bind(socket, where.get(), where.bytes) != 0 || ::listen(socket, kListenBacklog) != 0) {
        const int error = errno;
        ::close(socket);
        return listen_failed(address, error);
    }
    Listener listener{socket, address};
    sockaddr_storage bound{};
    socklen_t bytes = sizeof bound;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &bytes);
    // The port stands at the same place for both families.
    listener.bound.port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
    return listener;
}

Peer read_peer(int socket) {
    Peer peer;
    sockaddr_storage from{};
    socklen_t bytes = sizeof from;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&from), &bytes) != 0) return peer;
    if (from.ss_family == AF_INET) {
        const auto* in = reinterpret_cast<const sockaddr_in*>(&from);
        peer.family = Address::Family::kIpv4;
        std::memcpy(peer.ip.data(), &in->sin_addr, 4);
        peer.port = ntohs(in->sin_port);
    } else if (from.ss_family == AF_INET6) {
        const auto* in = reinterpret_cast<const sockaddr_in6*>(&from);
        peer.family = Address::Family::kIpv6;
        std::memcpy(peer.ip.data(), &in->sin6_addr, 16);
        peer.port = ntohs(in->sin6_port);
    }
    return peer;
}

}  // namespace millrace::io
