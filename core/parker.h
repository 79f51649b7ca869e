// What: where one thread sleeps and any thread wakes it (futex). A wake that comes before the sleep
//       is not lost; waking a thread that is awake costs one exchange.
// Threads: exactly one parks; any may unpark.
// Lifetime: outlives both sides. Limits: none. Failure: none; spurious wake-ups are allowed.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace::core {

class Parker {
public:
    // Sleeps until unpark() or the time is over.
    void park(std::int64_t timeout_us) {
        // acquire pairs with the release in unpark: what the waker wrote before is seen.
        std::uint32_t expected = kAwake;
        if (!state_.compare_exchange_strong(expected, kAsleep, std::memory_order_acquire)) {
            state_.exchange(kAwake, std::memory_order_acq_rel);  // it was kNotified: consume it
            return;
        }
        timespec timeout{timeout_us / 1'000'000, (timeout_us % 1'000'000) * 1000};
        syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, kAsleep, &timeout, nullptr, 0);
        state_.exchange(kAwake, std::memory_order_acquire);
    }

    void unpark() {
        // Always an exchange: it orders the caller's queue write before the sleeper's next look.
        if (state_.exchange(kNotified, std::memory_order_acq_rel) == kAsleep) {
            syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        }
    }

private:
    static constexpr std::uint32_t kAwake = 0;
    static constexpr std::uint32_t kAsleep = 1;
    static constexpr std::uint32_t kNotified = 2;
    std::atomic<std::uint32_t> state_{kAwake};
};

}  // namespace millrace::core
