// What: calls of scripts (API runs, endpoints, transforms) that wait for a lane of calls, by
//       tenant. A lane takes one when it can begin it at once, so that a call waits for a run that
//       burns only where every lane has one. Tenants take turns; a tenant's calls stay on one lane
//       as long as some of them are under way there, where each sees what those before it have
//       written; they leave a lane that another's run holds up. One that is told with its record
//       has written nothing: its tenant stays till a turn in which nothing came, and no longer.
// Threads: submit(), the ends of calls and the figures any; take() and the turns a lane's.
// Lifetime: outlived by whoever waits for calls; jobs that were never taken end with it.
// Limits: kWaitingMax calls of a tenant wait, kWaitingOfAllMax of all; a tenant has at most half of
//       the lanes (overflow policy: refuse, 429 with the time in which they drain).
// Failure: kRateLimited with the quota's name or the bound.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "runtime/delivery/lane_job.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace millrace::runtime {

class CallQueue {
public:
    static constexpr std::size_t kWaitingMax = 256;
    static constexpr std::size_t kWaitingOfAllMax = 4096;
    // A lane whose turn takes longer is held up.
    static constexpr std::int64_t kHeldUpNs = 50'000'000;
    // How long a lane sleeps while calls wait for one that may become held up.
    static constexpr std::int64_t kLookUs = 20'000;

    CallQueue(std::size_t lanes, const core::Clock& clock);
    // Before the threads start.
    void on_wake(std::function<void(std::size_t lane)> wake) { wake_ = std::move(wake); }

    // `most`: of the tenant's that may be under way or wait; 0: any number.
    core::Status submit(std::unique_ptr<LaneJob>& job, std::int64_t most);

    // A lane's turn begins and ends.
    void begin_turn(std::size_t lane);
    void end_turn(std::size_t lane);
    // The next call for it; null: none. What it took before has begun, and waits or has ended.
    std::unique_ptr<LaneJob> take(std::size_t lane);

    // Whether a lane that has nothing to do should come back after kLookUs all the same.
    bool wants_looks(std::int64_t now_ns) const;
    // Of a tenant, under way or waiting.
    std::size_t runs_of(core::TenantId tenant) const;

private:
    struct OfTenant {
        std::deque<std::unique_ptr<LaneJob>> waiting;
        std::vector<std::uint32_t> under_way;  // by lane
        std::size_t on_lanes = 0;              // their sum
        std::size_t runs = 0;                  // that wait for their answer
        bool in_turn = false;                  // it stands in turns_
        std::int64_t ended_ns = 0;             // the last one, while others waited
        std::int64_t gap_ns = 0;               // from end to end, on average
    };
    struct OfLane {
        std::atomic<std::int64_t> turn_began_ns{0};  // 0: it has none
        core::TenantId began;                        // whose call it took last
        bool begins = false;                         // ...and has not come back from
        // Its own thread's: whose last call there was told with its record; one of those under way
        // stands for it.
        std::vector<core::TenantId> lingers;
        bool took = false;  // in this turn
    };

    bool held_up(const OfLane& lane, std::int64_t now_ns) const;
    bool may_run(const OfTenant& of, core::TenantId tenant, std::size_t lane,
                 std::int64_t now_ns) const;
    core::Status admit(const OfTenant& of, std::int64_t most) const;
    std::int64_t drain_seconds(const OfTenant& of) const;
    void answered(OfTenant& of);
    void ended(core::TenantId tenant, std::size_t lane, bool lingers);
    void leave(core::TenantId tenant, std::size_t lane);
    void wake_for(const OfTenant& of);
    void pass_on(std::size_t lane);

    const core::Clock& clock_;
    std::function<void(std::size_t lane)> wake_;
    mutable std::mutex mutex_;
    std::vector<OfLane> lanes_;
    std::unordered_map<std::uint32_t, OfTenant> tenants_;
    std::deque<core::TenantId> turns_;  // those of which some wait
    std::atomic<std::size_t> waiting_{0};
    std::atomic<std::int64_t> asked_ns_{0};  // when a lane was woken to look; 0: never
};

}  // namespace millrace::runtime
