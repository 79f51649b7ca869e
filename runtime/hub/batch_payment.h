// What: what an edge has paid of its tenant's quotas for a batch that is not in the log yet. A
//       batch may be more than the tenant may send in a second: what goes now is paid, and the edge
//       sends it again, or a smaller one, for the rest. What was paid for one that is refused by
//       somebody else is not lost either.
// Threads: one owner. Lifetime: value. Limits: what one batch costs.
// Failure: what the quota says, when not everything is paid.
#pragma once

#include "core/result.h"

#include <algorithm>
#include <cstddef>

namespace millrace::runtime::hub {

class BatchPayment {
public:
    // `take` says whether the tenant may send so many events and bytes now; they count then.
    template <typename Take>
    core::Status pay(std::size_t events, std::size_t bytes, const Take& take) {
        core::Status of_events =
            pay_part(events_, events, [&](std::size_t count) { return take(count, 0); });
        core::Status of_bytes =
            pay_part(bytes_, bytes, [&](std::size_t count) { return take(0, count); });
        return of_events ? of_bytes : of_events;
    }
    // A batch that was paid for is on its way to the log.
    void use(std::size_t events, std::size_t bytes) {
        events_ -= std::min(events, events_);
        bytes_ -= std::min(bytes, bytes_);
    }

private:
    // In pieces: half as large each time that one is more than goes now.
    template <typename Take>
    static core::Status pay_part(std::size_t& paid, std::size_t due, const Take& take) {
        std::size_t step = due;
        while (paid < due) {
            const std::size_t count = std::min(step, due - paid);
            core::Status may = take(count);
            if (may) {
                paid += count;
                continue;
            }
            if (count <= 1) return may;
            step = count / 2;
        }
        return {};
    }

    std::size_t events_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace millrace::runtime::hub
