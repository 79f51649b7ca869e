// What: callers that wait for the ends of runs, each until a time of its own.
// Threads: one owner; the callers' functions are called by whoever tells them.
// Lifetime: owns them. Limits: kMax (overflow policy: full() says so, the caller is answered at
//           once). Failure: none.
#pragma once

#include "core/result.h"
#include "runtime/orchestrator/run_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::runtime {

class EndWaiters {
public:
    static constexpr std::size_t kMax = 4'096;
    using Done = std::function<void(core::Result<std::string>&&)>;

    bool empty() const { return waiters_.empty(); }
    bool full() const { return waiters_.size() >= kMax; }
    bool wait_for(const RunName& run) const { return waiters_.contains(run); }
    void add(const RunName& run, std::int64_t until_ns, Done done) {
        waiters_.emplace(run, Waiter{until_ns, std::move(done)});
        due_ns_ = std::min(due_ns_, until_ns);
    }
    // It has ended, and is so.
    void tell(const RunName& run, const std::string& view) {
        const auto [first, last] = waiters_.equal_range(run);
        for (auto at = first; at != last; ++at) at->second.done(view);
        waiters_.erase(first, last);
    }
    // Not before then is anybody's time over.
    std::int64_t due_ns() const { return due_ns_; }
    // Those whose time is over leave.
    std::vector<std::pair<RunName, Done>> take_overdue(std::int64_t now_ns) {
        std::vector<std::pair<RunName, Done>> out;
        if (waiters_.empty() || now_ns < due_ns_) return out;
        due_ns_ = INT64_MAX;
        for (auto at = waiters_.begin(); at != waiters_.end();) {
            if (at->second.until_ns > now_ns) {
                due_ns_ = std::min(due_ns_, at->second.until_ns);
                ++at;
                continue;
            }
            out.emplace_back(at->first, std::move(at->second.done));
            at = waiters_.erase(at);
        }
        return out;
    }

private:
    struct Waiter {
        std::int64_t until_ns = 0;
        Done done;
    };
    std::unordered_multimap<RunName, Waiter, RunNameHash> waiters_;
    std::int64_t due_ns_ = INT64_MAX;
};

}  // namespace millrace::runtime
