// What: libcurl's multi handle and what its transfers wait for: their sockets in one epoll, its
//       next timer, and a wake from other threads. A turn costs what has happened since the one
//       before, however many transfers are under way.
// Threads: wake() any; the rest one.
// Lifetime: no transfer is left in multi() when it ends. Borrows the clock.
// Limits: kEventsMax sockets a turn; those beyond it have the next one.
// Failure: what the system can not give at the start (descriptors) ends the process.
#pragma once

#include "core/clock.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace millrace::courier {

class CurlLoop {
public:
    static constexpr int kEventsMax = 64;

    explicit CurlLoop(const core::Clock& clock);
    CurlLoop(const CurlLoop&) = delete;
    CurlLoop& operator=(const CurlLoop&) = delete;
    ~CurlLoop();

    void* multi() const { return multi_; }  // CURLM

    // Lets every transfer go on that has something to do; answers how many sockets and timers that
    // were.
    std::size_t turn();
    // Until one of them has something to do, wake(), or the time is over.
    void wait(std::int64_t timeout_us);
    // A wake that comes before the wait is not lost; while the thread is awake it costs one
    // exchange.
    void wake();

private:
    static int watch(void* easy, int socket, int what, void* self, void* known);
    static int set_timer(void* multi, long timeout_ms, void* self);
    void take_events(int timeout_ms);

    // As in core::Parker; what sleeps here also waits for sockets.
    enum State : std::uint32_t { kAwake, kAsleep, kNotified };

    const core::Clock& clock_;
    void* const multi_;
    const int epoll_fd_;
    const int wake_fd_;
    std::optional<std::int64_t> timer_at_ns_;
    struct Ready {
        int socket = 0;
        std::uint32_t events = 0;
    };
    Ready ready_[kEventsMax];
    int ready_count_ = 0;
    alignas(64) std::atomic<std::uint32_t> state_{kAwake};
};

}  // namespace millrace::courier
