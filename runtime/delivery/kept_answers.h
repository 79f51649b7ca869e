// What: the way of an executor's answers to its lane, when they may find no room there: what the
//       port refuses is kept in its order and offered again each turn of the lane.
// Threads: tell() any; do_work() and next_work_ns() the lane's. Lifetime: of its executor; borrows
//       port and clock.
// Limits: holds no more than attempts are pending. Failure: none; nothing is lost.
#pragma once

#include "core/clock.h"
#include "runtime/delivery/executor.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace millrace::runtime {

class KeptAnswers {
public:
    KeptAnswers(AnswerPort& port, const core::Clock& clock) : port_(port), clock_(clock) {}

    void tell(AttemptTicket ticket, AttemptResult&& result) {
        const std::lock_guard lock(mutex_);
        if (kept_.empty() && port_.answer(ticket, result)) return;
        kept_.emplace_back(ticket, std::move(result));
    }
    std::size_t do_work() {
        const std::lock_guard lock(mutex_);
        std::size_t done = 0;
        while (!kept_.empty() && port_.answer(kept_.front().first, kept_.front().second)) {
            kept_.pop_front();
            ++done;
        }
        return done;
    }
    std::optional<std::int64_t> next_work_ns() const {
        const std::lock_guard lock(mutex_);
        if (kept_.empty()) return std::nullopt;
        return clock_.monotonic_ns() + kAgainNs;
    }

private:
    static constexpr std::int64_t kAgainNs = 1'000'000;

    AnswerPort& port_;
    const core::Clock& clock_;
    mutable std::mutex mutex_;
    std::deque<std::pair<AttemptTicket, AttemptResult>> kept_;
};

}  // namespace millrace::runtime
