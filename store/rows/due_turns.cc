#include "store/rows/due_turns.h"

#include <algorithm>
#include <iterator>

namespace millrace::store {

void DueTurns::add(Tenant& of, const DueKey& key) {
    if (of.behind && key >= *of.behind) {
        if (of.read_from) of.put_meanwhile.push_back(key);
        return;
    }
    of.known.insert(key);
    if (of.known.size() <= kKnownMax) return;
    const auto last = std::prev(of.known.end());
    of.behind = *last;
    of.known.erase(last);
}

// Its place among the others, or it leaves.
void DueTurns::settle(Tenants::iterator at) {
    Tenant& of = at->second;
    std::int64_t first_us = kParkedDueUs;
    if (!of.known.empty())
        first_us = of.known.begin()->due_at_us;
    else if (of.behind)
        first_us = of.behind->due_at_us;
    if (first_us != of.first_us) {
        by_first_.erase({of.first_us, at->first});
        if (first_us != kParkedDueUs) by_first_.insert({first_us, at->first});
        of.first_us = first_us;
    }
    if (first_us == kParkedDueUs && !of.read_from && !of.later) tenants_.erase(at);
}

void DueTurns::put(core::TenantId tenant, const DueKey& key) {
    std::lock_guard lock(mutex_);
    const auto at = tenants_.try_emplace(tenant.value).first;
    add(at->second, key);
    settle(at);
}

std::int64_t DueTurns::next_us() {
    std::lock_guard lock(mutex_);
    return by_first_.empty() ? kParkedDueUs : by_first_.begin()->first;
}

void DueTurns::due(std::int64_t now_us, std::vector<core::TenantId>& out) {
    out.clear();
    {
        std::lock_guard lock(mutex_);
        for (const auto& [first_us, tenant] : by_first_) {
            if (first_us > now_us) break;
            out.push_back(core::TenantId{tenant});
        }
    }
    std::sort(out.begin(), out.end());
    std::rotate(out.begin(), std::upper_bound(out.begin(), out.end(), last_served_), out.end());
}

std::optional<DueKey> DueTurns::take(core::TenantId tenant, std::int64_t now_us) {
    std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    if (at == tenants_.end() || at->second.known.empty()) return std::nullopt;
    const auto first = at->second.known.begin();
    if (first->due_at_us > now_us) return std::nullopt;
    const DueKey key = *first;
    at->second.known.erase(first);
    settle(at);
    return key;
}

std::optional<DueKey> DueTurns::begin_reading(core::TenantId tenant, std::int64_t now_us) {
    std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    if (at == tenants_.end()) return std::nullopt;
    Tenant& of = at->second;
    if (!of.known.empty() || !of.behind || of.behind->due_at_us > now_us) return std::nullopt;
    of.read_from = of.behind;
    return of.behind;
}

void DueTurns::end_reading(core::TenantId tenant, std::span<const DueKey> found,
                           const std::optional<DueKey>& behind) {
    std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    if (at == tenants_.end()) return;
    Tenant& of = at->second;
    // Unless so many were put before it meanwhile that it begins earlier now: then what was found
    // is read once more.
    if (of.behind == of.read_from) of.behind = behind;
    of.read_from.reset();
    for (const DueKey& key : found) add(of, key);
    for (const DueKey& key : std::exchange(of.put_meanwhile, {})) add(of, key);
    settle(at);
}

void DueTurns::put_later(core::TenantId tenant, const DueKey& key, std::int64_t again_ns) {
    std::lock_guard lock(mutex_);
    const auto at = tenants_.try_emplace(tenant.value).first;
    Tenant& of = at->second;
    if (!of.later) {
        of.later = key;
        of.later_ns = again_ns;
        of.later_most_ns = again_ns + kLaterNsMost;
        passed_.insert(tenant.value);
    }
    of.later = std::min(*of.later, key);
    of.later_ns = std::min(of.later_ns, again_ns);
    settle(at);
}

void DueTurns::bring_later(std::int64_t now_us, std::int64_t now_ns) {
    std::lock_guard lock(mutex_);
    for (auto next = passed_.begin(); next != passed_.end();) {
        const auto at = tenants_.find(*next);
        Tenant& of = at->second;
        const bool others_are_due = of.first_us <= now_us;
        if (of.later_ns > now_ns || (others_are_due && of.later_most_ns > now_ns)) {
            ++next;
            continue;
        }
        next = passed_.erase(next);
        // Those that are known behind it are found as well.
        of.known.erase(of.known.lower_bound(*of.later), of.known.end());
        of.behind = of.behind ? std::min(*of.behind, *of.later) : *of.later;
        of.later.reset();
        settle(at);
    }
}

}  // namespace millrace::store
