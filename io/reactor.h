// What: one shard's event loop over sockets. Servers (http_server.h, line_server.h) sit on it; it
//       owns the streams, their deadlines and the one backend that talks to the kernel: io_uring,
//       epoll where io_uring is refused, or memory in the simulator.
// Threads: everything from the one thread that polls, but wake(), which any thread may call. Built
//       on one thread and polled on another is allowed: the ring is enabled by the first poll.
// Lifetime: the reactor outlives its servers; the clock outlives the reactor.
// Limits: options below. One poll handles at most completions_per_poll completions.
// Failure: create() names what refused the ring and the sysctl to look at.
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "io/address.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::io {

class Backend;
class ReactorImpl;

enum class BackendChoice : std::uint8_t { kAuto, kIoUring, kEpoll };

core::Result<BackendChoice> parse_backend_choice(std::string_view text);  // "auto|io_uring|epoll"

struct ReactorOptions {
    BackendChoice backend = BackendChoice::kAuto;
    std::uint32_t ring_entries = 1024;    // submissions between two polls before an early submit
    std::uint32_t receive_buffers = 512;  // power of two; shared by all streams of the reactor
    std::uint32_t receive_buffer_bytes = 16384;  // 8 MiB a reactor with the line above
    std::uint32_t completions_per_poll = 512;    // bounds one duty cycle
    std::uint32_t streams_max = 65536;
    std::size_t spare_bytes_max = 41u << 20;  // of free buffers that are kept for the next use
    // Of what clients keep waiting: see client_room.h.
    std::size_t client_bytes_max = 256u << 20;
    // Of what the system keeps for a socket whose client does not read. 0: it decides.
    std::size_t send_buffer_bytes = 0;
};

class Reactor {
public:
    static core::Result<std::unique_ptr<Reactor>> create(const ReactorOptions& options,
                                                         const core::Clock& clock);
    // For the simulator and tests: any backend.
    static std::unique_ptr<Reactor> create_on(std::unique_ptr<Backend> backend,
                                              const ReactorOptions& options,
                                              const core::Clock& clock);
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    ~Reactor();

    // One bounded duty cycle: sends what was queued, waits at most timeout_us (0: not at all) for
    // something to happen, hands it to the servers. Returns how many things it handled. Sleeps
    // never past a wake() that came since the last poll began.
    std::size_t poll(std::int64_t timeout_us);

    // Ends the current or the next sleep. One uncontended exchange when the reactor is awake.
    void wake();

    std::string_view backend_name() const;  // "io_uring" | "epoll" | "memory"
    // Why io_uring was not taken; empty when it was. For one line in the log at start.
    std::string_view fallback_reason() const;
    std::size_t open_streams() const;
    std::size_t client_bytes() const;  // held in the room of clients

    ReactorImpl& impl() { return *impl_; }  // for the servers of this folder

private:
    explicit Reactor(std::unique_ptr<ReactorImpl> impl);
    std::unique_ptr<ReactorImpl> impl_;
};

// The first listener of an address proves that nobody else has it; the other shards join it.
// Without this, SO_REUSEPORT would let two servers share a port and each lose half of the other's
// clients.
enum class ListenRole : std::uint8_t { kFirst, kJoin };

}  // namespace millrace::io
