// What: when the next event of a replay may be delivered: at once, as far from the first one as it
//       came then (times a speed), or so many events a second. Deliveries of one event go together.
// Threads: one owner. Lifetime: value: a copy may be asked ahead and thrown away.
// Limits: what was held up is brought at once when it can be. After a start the pace begins anew.
// Failure: none.
#pragma once

#include "runtime/replay/replay_types.h"

#include <cstdint>
#include <limits>

namespace millrace::runtime {

class ReplayPacer {
public:
    // True once for each delivery that is let through; false: not yet, ask again with the same one.
    bool let_through(const ReplaySpec& spec, core::LogPosition event, std::int64_t received_at_us,
                     std::int64_t now_ns) {
        if (spec.pace == ReplayPace::kInstant) return true;
        if (event == last_) return true;
        if (began_ns_ == kNever) {
            began_ns_ = now_ns;
            first_us_ = received_at_us;
        }
        const double elapsed_us = static_cast<double>(now_ns - began_ns_) / 1000.0;
        const bool due =
            spec.pace == ReplayPace::kOriginal
                ? static_cast<double>(received_at_us - first_us_) <= elapsed_us * spec.speed
                : static_cast<double>(events_) <= elapsed_us * spec.events_per_second / 1e6;
        if (!due) return false;
        ++events_;
        last_ = event;
        return true;
    }

private:
    static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

    std::int64_t began_ns_ = kNever;
    std::int64_t first_us_ = 0;
    std::uint64_t events_ = 0;
    core::LogPosition last_{core::ShardId{UINT16_MAX}, core::LogOffset{UINT64_MAX}};
};

}  // namespace millrace::runtime
