// What: stands between a library that reads a socket as fast as it can and the network: the library
//       gets one end of a pair of local sockets in place of its own, under the same number, and
//       what comes from the network is passed on in portions, counted, and only when somebody says
//       so. So who may not keep more than so many bytes is never given more.
// Threads: one. Lifetime: the library closes its end, this closes the rest; nothing is passed on
//          after its end, but for what was on the way out when it was destroyed.
// Limits: kHeldBytes each way beside what the kernel keeps for the pair.
// Failure: begin() says so; a broken connection is its end, as the library reads it.
#pragma once

#include "core/result.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

class SocketRelay {
public:
    SocketRelay() = default;
    ~SocketRelay();
    SocketRelay(const SocketRelay&) = delete;
    SocketRelay& operator=(const SocketRelay&) = delete;

    // `fd`: the library's socket, connected and without blocking; from now on it is the pair's.
    core::Status begin(int fd);

    // Passes on what is there, of what comes in at most `in_bytes_max`. False: nothing moved.
    bool pass(std::size_t in_bytes_max);
    // Bytes, since count_from_here().
    std::uint64_t came_in() const { return came_in_; }
    void count_from_here() { came_in_ = 0; }

    // What to wait for: events of poll() by file.
    int outside() const { return outside_; }
    short outside_events() const {
        return static_cast<short>((in_.empty() && !ended_ ? kIn : 0) | (out_.empty() ? 0 : kOut));
    }
    int inside() const { return inside_; }
    short inside_events() const {
        return static_cast<short>((out_.empty() ? kIn : 0) | (in_.empty() ? 0 : kOut));
    }

private:
    static constexpr std::size_t kHeldBytes = 32u << 10;
    static constexpr short kIn = 1;   // POLLIN
    static constexpr short kOut = 4;  // POLLOUT

    // Read on one side, not yet written on the other.
    struct Held {
        std::array<char, kHeldBytes> bytes;
        std::size_t begin = 0;
        std::size_t end = 0;
        bool empty() const { return begin == end; }
    };
    enum class Read : std::uint8_t { kSome, kNothing, kEnd };
    static Read read_some(int fd, Held& held, std::size_t bytes_max);
    static bool write_some(int fd, Held& held);

    int outside_ = -1;
    int inside_ = -1;
    Held in_, out_;
    bool ended_ = false;
    std::uint64_t came_in_ = 0;
};

}  // namespace millrace::runtime
