// What: the time by which retries fall due: wall time as it was when the process started, carried
//       on by the monotonic clock. So a delay lasts as long as it was asked to, whatever becomes of
//       the wall clock meanwhile. What is to happen at a time of the day (scheduledAt) goes by the
//       wall clock itself.
// Threads: any. Lifetime: borrows the clock.
// Limits: after a start the rows of the process before are read by the wall clock of now; what then
//       lies further off than its policy can ask for is brought near (RetryFeed). Failure: none.
#pragma once

#include "core/clock.h"

#include <cstdint>

namespace millrace::runtime {

class DueClock {
public:
    explicit DueClock(const core::Clock& clock)
        : clock_(clock), offset_us_(clock.wall_us() - clock.monotonic_ns() / 1000) {}

    std::int64_t now_us() const { return at(clock_.monotonic_ns()); }
    std::int64_t at(std::int64_t monotonic_ns) const { return monotonic_ns / 1000 + offset_us_; }
    // What the wall clock will show then, if nobody moves it again.
    std::int64_t to_wall_us(std::int64_t due_us) const {
        return due_us + (clock_.wall_us() - now_us());
    }

private:
    const core::Clock& clock_;
    const std::int64_t offset_us_;
};

}  // namespace millrace::runtime
