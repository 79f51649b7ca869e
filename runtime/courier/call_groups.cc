#include "runtime/courier/call_groups.h"

#include <algorithm>
#include <utility>

namespace millrace::courier {

void CallGroups::take_turn(std::uint64_t number, Group& group) {
    if (group.in_turn || group.waiting.empty()) return;
    group.in_turn = true;
    pools_[group.limits.pool].turns.push_back(number);
}

void CallGroups::wait(std::uint64_t call, const GroupLimits& limits) {
    Group& group = groups_[limits.group];
    group.limits = limits;  // the newest word counts
    group.waiting.push_back(call);
    ++pools_[limits.pool].waiting;
    take_turn(limits.group, group);
}

bool CallGroups::may_begin(const Group& group, std::int64_t now_ns) const {
    if (group.limits.calls_max != 0 && group.under_way >= group.limits.calls_max) return false;
    return group.free_at_ns <= now_ns;
}

std::optional<std::uint64_t> CallGroups::next(std::int64_t now_ns) {
    for (Pool& pool : pools_) {
        if (const auto call = next_of(pool, now_ns)) return call;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> CallGroups::next_of(Pool& pool, std::int64_t now_ns) {
    if (pool.under_way >= pool.calls_max) return std::nullopt;
    for (std::size_t looked = pool.turns.size(); looked > 0; --looked) {
        const std::uint64_t number = pool.turns.front();
        pool.turns.pop_front();
        Group& group = groups_.at(number);
        group.in_turn = false;
        if (!may_begin(group, now_ns)) {
            take_turn(number, group);
            continue;
        }
        const std::uint64_t call = group.waiting.front();
        group.waiting.pop_front();
        --pool.waiting;
        ++pool.under_way;
        ++group.under_way;
        if (group.limits.per_second_max > 0)
            group.free_at_ns = std::max(group.free_at_ns, now_ns) +
                               static_cast<std::int64_t>(1e9 / group.limits.per_second_max);
        take_turn(number, group);
        return call;
    }
    return std::nullopt;
}

void CallGroups::ended(std::uint64_t number) {
    const auto at = groups_.find(number);
    --pools_[at->second.limits.pool].under_way;
    --at->second.under_way;
    end_if_idle(number);
}

// A group with a rate is remembered for what it has used of it.
void CallGroups::end_if_idle(std::uint64_t number) {
    const auto at = groups_.find(number);
    Group& group = at->second;
    if (!group.idle()) return;
    if (group.limits.per_second_max <= 0) {
        if (!group.rated) groups_.erase(at);
        return;
    }
    if (std::exchange(group.rated, true)) return;
    rated_.push_back(number);
    if (rated_.size() <= kRatedMax) return;
    const auto oldest = groups_.find(rated_.front());
    rated_.pop_front();
    oldest->second.rated = false;
    if (oldest->second.idle()) groups_.erase(oldest);
}

bool CallGroups::forget(std::uint64_t call, std::uint64_t number) {
    const auto at = groups_.find(number);
    if (at == groups_.end()) return false;
    auto& waiting = at->second.waiting;
    const auto found = std::find(waiting.begin(), waiting.end(), call);
    if (found == waiting.end()) return false;
    waiting.erase(found);
    --pools_[at->second.limits.pool].waiting;
    if (!waiting.empty()) return true;
    if (at->second.in_turn) std::erase(pools_[at->second.limits.pool].turns, number);
    at->second.in_turn = false;
    end_if_idle(number);
    return true;
}

std::optional<std::int64_t> CallGroups::next_at_ns() const {
    std::optional<std::int64_t> earliest;
    for (const Pool& pool : pools_) {
        if (pool.under_way >= pool.calls_max) continue;
        for (const std::uint64_t number : pool.turns) {
            const Group& group = groups_.at(number);
            if (group.limits.calls_max != 0 && group.under_way >= group.limits.calls_max) continue;
            if (!earliest || group.free_at_ns < *earliest) earliest = group.free_at_ns;
        }
    }
    return earliest;
}

std::size_t CallGroups::waiting() const {
    std::size_t count = 0;
    for (const Pool& pool : pools_) count += pool.waiting;
    return count;
}

}  // namespace millrace::courier
