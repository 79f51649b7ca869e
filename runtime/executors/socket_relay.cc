#include "runtime/executors/socket_relay.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::runtime {

SocketRelay::~SocketRelay() {
    if (outside_ < 0) return;
    // A library says goodbye before it closes its end.
    if (out_.empty()) (void)read_some(inside_, out_, kHeldBytes);
    (void)write_some(outside_, out_);
    ::close(inside_);
    ::close(outside_);
}

core::Status SocketRelay::begin(int fd) {
    static_assert(kIn == POLLIN && kOut == POLLOUT);
    int pair[2];
    const auto failed = [](const char* what) {
        return core::fail(core::ErrorCode::kUnavailable,
                          std::string(what) + " failed: " + std::strerror(errno));
    };
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return failed("socketpair");
    outside_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    inside_ = pair[0];
    if (outside_ < 0 || ::dup3(pair[1], fd, O_CLOEXEC) < 0) {
        auto status = failed("dup");
        ::close(pair[1]);
        return status;
    }
    ::close(pair[1]);
    return {};
}

SocketRelay::Read SocketRelay::read_some(int fd, Held& held, std::size_t bytes_max) {
    const std::size_t room = std::min(bytes_max, kHeldBytes);
    if (room == 0) return Read::kNothing;
    const ssize_t got = ::recv(fd, held.bytes.data(), room, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? Read::kNothing : Read::kEnd;
    if (got == 0) return Read::kEnd;
    held.begin = 0;
    held.end = static_cast<std::size_t>(got);
    return Read::kSome;
}

// False: nothing moved.
bool SocketRelay::write_some(int fd, Held& held) {
    if (held.empty()) return false;
    const ssize_t sent = ::send(fd, held.bytes.data() + held.begin, held.end - held.begin,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    // To somebody who is gone: dropped, the other direction tells it.
    held.begin = sent < 0 ? held.end : held.begin + static_cast<std::size_t>(sent);
    return true;
}

bool SocketRelay::pass(std::size_t in_bytes_max) {
    bool moved = false;
    if (in_.empty() && !ended_) {
        switch (read_some(outside_, in_, in_bytes_max)) {
            case Read::kSome:
                came_in_ += in_.end;
                moved = true;
                break;
            case Read::kEnd:
                ended_ = true;
                ::shutdown(inside_, SHUT_WR);
                moved = true;
                break;
            case Read::kNothing: break;
        }
    }
    moved |= write_some(inside_, in_);
    if (out_.empty()) moved |= read_some(inside_, out_, kHeldBytes) == Read::kSome;
    moved |= write_some(outside_, out_);
    return moved;
}

}  // namespace millrace::runtime
