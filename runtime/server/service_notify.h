// What: tells the service manager that started us how we are, in the words of sd_notify(3), without
//       its library: one datagram each to the socket that $NOTIFY_SOCKET names.
// Threads: any; nothing is kept but what the environment said.
// Lifetime: a value.
// Limits: never waits: what the manager has no room for is lost, and said again or not needed.
// Failure: without such a socket, or when it does not take it, nobody is told; the server goes on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class ServiceNotify {
public:
    // $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID.
    static ServiceNotify from_environment();
    // `socket`: a path, or a name that begins with @ (of Linux' abstract ones); empty: nobody asks.
    explicit ServiceNotify(std::string socket, std::int64_t watchdog_us = 0)
        : socket_(std::move(socket)), watchdog_us_(socket_.empty() ? 0 : watchdog_us) {}

    bool asked() const { return !socket_.empty(); }
    // Within which the manager wants to hear alive(), else it ends us; 0: it does not.
    std::int64_t watchdog_us() const { return watchdog_us_; }

    // The start, or the end, takes its time: that much longer from now on.
    void extend(std::int64_t us, std::string_view status) const;
    void ready(std::string_view status) const;
    void reloading(std::int64_t monotonic_us) const;
    void stopping(std::string_view status) const;
    void alive() const;

private:
    void tell(const std::string& text) const;

    std::string socket_;
    std::int64_t watchdog_us_ = 0;
};

}  // namespace millrace::runtime
