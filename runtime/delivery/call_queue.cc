#include "runtime/delivery/call_queue.h"

#include "core/assert.h"
#include "runtime/identity/limits.h"

#include <algorithm>
#include <string>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::int64_t kRetrySecondsMax = 60;

core::Error too_many_wait(std::size_t waiting, std::size_t most) {
    return core::Error(core::ErrorCode::kRateLimited,
                       "too many script runs are waiting: " + std::to_string(waiting))
        .bound(static_cast<std::int64_t>(most));
}

}  // namespace

CallQueue::CallQueue(std::size_t lanes, const core::Clock& clock) : clock_(clock), lanes_(lanes) {}

// What waits now, at the pace of the last ones.
std::int64_t CallQueue::drain_seconds(const OfTenant& of) const {
    const auto waiting = static_cast<std::int64_t>(of.waiting.size()) + 1;
    const std::int64_t seconds = (waiting * of.gap_ns + 999'999'999) / 1'000'000'000;
    return std::clamp<std::int64_t>(seconds, 1, kRetrySecondsMax);
}

core::Status CallQueue::admit(const OfTenant& of, std::int64_t most) const {
    const auto later = [&](core::Error&& error) {
        return core::fail(std::move(error).retry_after(drain_seconds(of)));
    };
    if (auto may = identity::within_quota(identity::Quota::kRuns,
                                          static_cast<std::int64_t>(of.runs), most);
        !may)
        return later(std::move(may.error()));
    if (of.waiting.size() >= kWaitingMax)
        return later(too_many_wait(of.waiting.size(), kWaitingMax));
    const std::size_t all = waiting_.load(std::memory_order_relaxed);
    if (all >= kWaitingOfAllMax) return later(too_many_wait(all, kWaitingOfAllMax));
    return {};
}

core::Status CallQueue::submit(std::unique_ptr<LaneJob>& job, std::int64_t most) {
    const core::TenantId tenant = job->run->caller.tenant;
    const std::lock_guard lock(mutex_);
    OfTenant& of = tenants_[tenant.value];
    if (auto may = admit(of, most); !may) {
        if (of.runs + of.on_lanes == 0) tenants_.erase(tenant.value);
        return may;
    }
    if (of.under_way.empty()) of.under_way.resize(lanes_.size());
    if (of.waiting.empty()) of.ended_ns = 0;
    of.waiting.push_back(std::move(job));
    ++of.runs;
    if (!std::exchange(of.in_turn, true)) turns_.push_back(tenant);
    waiting_.fetch_add(1, std::memory_order_relaxed);  // a figure; the lock orders the rest
    wake_for(of);
    return {};
}

// Its own lanes. While each of them has a turn, or where it has none, one that has none: that looks
// at whether they are held up, every kLookUs as long as it is asked to, so that it need not be
// woken for each call.
void CallQueue::wake_for(const OfTenant& of) {
    if (!wake_) return;
    bool enough = false;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (of.under_way[i] == 0) continue;
        wake_(i);
        enough |= lanes_[i].turn_began_ns.load(std::memory_order_relaxed) == 0;
    }
    if (enough) return;
    if (of.on_lanes != 0) {
        const std::int64_t now_ns = clock_.monotonic_ns();
        const std::int64_t asked_ns = asked_ns_.load(std::memory_order_relaxed);
        if (asked_ns != 0 && now_ns - asked_ns < kLookUs * 1000) return;
        asked_ns_.store(now_ns, std::memory_order_relaxed);
    }
    for (std::size_t i = 0; !enough && i < lanes_.size(); ++i) {
        if (lanes_[i].turn_began_ns.load(std::memory_order_relaxed) != 0) continue;
        wake_(i);
        enough = true;
    }
    // Each may be about to sleep.
    for (std::size_t i = 0; !enough && i < lanes_.size(); ++i) wake_(i);
}

bool CallQueue::wants_looks(std::int64_t now_ns) const {
    if (waiting_.load(std::memory_order_relaxed) != 0) return true;
    const std::int64_t asked_ns = asked_ns_.load(std::memory_order_relaxed);
    return asked_ns != 0 && now_ns - asked_ns < 2 * kLookUs * 1000;
}

void CallQueue::begin_turn(std::size_t lane) {
    lanes_[lane].turn_began_ns.store(std::max<std::int64_t>(1, clock_.monotonic_ns()),
                                     std::memory_order_relaxed);  // alone: nothing goes with it
    lanes_[lane].took = false;
}

void CallQueue::end_turn(std::size_t lane) {
    OfLane& of = lanes_[lane];
    of.turn_began_ns.store(0, std::memory_order_relaxed);
    if (of.lingers.empty()) return;
    const std::lock_guard lock(mutex_);
    std::erase_if(of.lingers, [&](core::TenantId tenant) {
        if (of.took && !tenants_.at(tenant.value).waiting.empty()) return false;
        leave(tenant, lane);
        return true;
    });
}

bool CallQueue::held_up(const OfLane& lane, std::int64_t now_ns) const {
    const std::int64_t began_ns = lane.turn_began_ns.load(std::memory_order_relaxed);
    return began_ns != 0 && now_ns - began_ns > kHeldUpNs;
}

bool CallQueue::may_run(const OfTenant& of, core::TenantId tenant, std::size_t lane,
                        std::int64_t now_ns) const {
    std::size_t on = 0;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (of.under_way[i] == 0) continue;
        if (i == lane) return true;
        // It has held up the lane itself.
        if (lanes_[i].begins && lanes_[i].began == tenant) return false;
        if (!held_up(lanes_[i], now_ns)) return false;
        ++on;
    }
    return on == 0 || on < lanes_.size() / 2;
}

std::unique_ptr<LaneJob> CallQueue::take(std::size_t lane) {
    const std::lock_guard lock(mutex_);
    lanes_[lane].begins = false;
    const std::int64_t now_ns = turns_.empty() ? 0 : clock_.monotonic_ns();
    for (std::size_t i = 0; i < turns_.size(); ++i) {
        const core::TenantId tenant = turns_[i];
        OfTenant& of = tenants_.at(tenant.value);
        if (!may_run(of, tenant, lane, now_ns)) continue;
        turns_.erase(turns_.begin() + static_cast<std::ptrdiff_t>(i));
        std::unique_ptr<LaneJob> job = std::move(of.waiting.front());
        of.waiting.pop_front();
        of.in_turn = !of.waiting.empty();
        if (of.in_turn) turns_.push_back(tenant);
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        ++of.under_way[lane];
        ++of.on_lanes;
        lanes_[lane].began = tenant;
        lanes_[lane].begins = true;
        job->run->done = [this, tenant, lane,
                          done = std::move(job->run->done)](ScriptRunResult&& result) {
            ended(tenant, lane, !result.record.empty());
            done(std::move(result));
        };
        lanes_[lane].took = true;
        pass_on(lane);
        return job;
    }
    return nullptr;
}

// This lane may have been woken for several, and burn now; the others may sleep.
void CallQueue::pass_on(std::size_t lane) {
    if (!wake_ || turns_.empty() || tenants_.at(turns_.front().value).on_lanes != 0) return;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (i == lane || lanes_[i].turn_began_ns.load(std::memory_order_relaxed) != 0) continue;
        return wake_(i);
    }
}

void CallQueue::answered(OfTenant& of) {
    --of.runs;
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (of.ended_ns != 0) {
        const std::int64_t gap_ns = now_ns - of.ended_ns;
        of.gap_ns = of.gap_ns == 0 ? gap_ns : (7 * of.gap_ns + gap_ns) / 8;
    }
    of.ended_ns = of.waiting.empty() ? 0 : now_ns;
}

// One that lingers ends in a turn of its lane, on its thread.
void CallQueue::ended(core::TenantId tenant, std::size_t lane, bool lingers) {
    const std::lock_guard lock(mutex_);
    OfTenant& of = tenants_.at(tenant.value);
    answered(of);
    if (lingers && of.under_way[lane] == 1)
        lanes_[lane].lingers.push_back(tenant);
    else
        leave(tenant, lane);
}

void CallQueue::leave(core::TenantId tenant, std::size_t lane) {
    const auto at = tenants_.find(tenant.value);
    MR_ASSERT(at != tenants_.end() && at->second.under_way[lane] > 0);
    OfTenant& of = at->second;
    --of.under_way[lane];
    --of.on_lanes;
    if (of.runs + of.on_lanes == 0) {
        tenants_.erase(at);
        return;
    }
    // It may go to any lane now.
    if (!of.waiting.empty() && of.under_way[lane] == 0) wake_for(of);
}

std::size_t CallQueue::runs_of(core::TenantId tenant) const {
    const std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    return at == tenants_.end() ? 0 : at->second.runs;
}

}  // namespace millrace::runtime
