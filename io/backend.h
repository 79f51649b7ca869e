// What: the small door between a reactor and what moves its bytes: io_uring, epoll, or memory. An
//       operation is started here and comes back exactly once per completion from reap(); a
//       completion with `more` is not the operation's last.
// Threads: the reactor's, but interrupt(), which any thread may call.
// Lifetime: memory given to receive_into() and send() stays valid until the operation's completion.
// Limits: one receive and one send under way per socket.
// Failure: as negative errno in Completion::result.
#pragma once

#include "core/result.h"
#include "io/address.h"
#include "io/reactor.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/uio.h>

namespace millrace::io {

enum class OpKind : std::uint8_t { kNone, kAccept, kReceive, kReceiveInto, kSend };

// Who asked: comes back in the completion.
struct OpTag {
    OpKind kind = OpKind::kNone;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  // 24 bits travel
};
inline constexpr std::uint32_t kGenerationMask = 0xffffff;

struct Completion {
    OpTag tag;
    std::int32_t result = 0;  // bytes, or the accepted socket, or -errno
    bool more = false;
    char* data = nullptr;  // kReceive: the bytes, valid until recycle(buffer)
    std::uint32_t buffer = 0;
};

enum class ReceiveMode : std::uint8_t { kOnce, kMany };

// What a send needs to keep alive until it completes.
struct SendVector {
    static constexpr std::size_t kPiecesMax = 16;
    std::array<iovec, kPiecesMax> pieces;
    std::size_t count = 0;
    msghdr header{};
};

struct Listener {
    int socket = -1;
    Address bound;
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string_view name() const = 0;

    virtual core::Result<Listener> listen(const Address& address, ListenRole role) = 0;
    virtual Peer peer_of(int socket) = 0;

    virtual void accept(int socket, OpTag tag) = 0;  // completes again and again until cancelled
    virtual void receive(int socket, OpTag tag, ReceiveMode mode) = 0;
    virtual void receive_into(int socket, OpTag tag, char* at, std::size_t bytes) = 0;
    virtual void send(int socket, OpTag tag, SendVector& vector) = 0;
    virtual void cancel_receive(int socket,
                                OpTag tag) = 0;  // the receive completes, perhaps with data
    virtual void cancel_all(int socket) = 0;     // every operation of the socket completes
    virtual void shutdown_send(int socket) = 0;
    virtual void close(int socket) = 0;  // with no operation under way
    virtual void recycle(std::uint32_t buffer) = 0;

    // Starts what was queued; sleeps at most timeout_us (0: not at all) while nothing is complete.
    virtual void wait(std::int64_t timeout_us) = 0;
    virtual std::size_t reap(Completion* out, std::size_t count_max) = 0;
    virtual void interrupt() = 0;
};

core::Result<std::unique_ptr<Backend>> create_uring_backend(const ReactorOptions& options);
core::Result<std::unique_ptr<Backend>> create_epoll_backend(const ReactorOptions& options);

}  // namespace millrace::io
