#include "store/rows/due_turns.h"

#include <algorithm>
#include <iterator>

namespace millrace::store {

void DueTurns::add(Tenant& of, const DueKey& key) {
    if (of.behind && key >= *of.behind) {
        if (of.reading) of.put_meanwhile.push_back(key);
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
    if (first_us == kParkedDueUs && !of.reading) tenants_.erase(at);
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
    of.reading = true;
    return of.behind;
}

void DueTurns::end_reading(core::TenantId tenant, std::span<const DueKey> found,
                           const std::optional<DueKey>& behind) {
    std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    if (at == tenants_.end()) return;
    Tenant& of = at->second;
    of.reading = false;
    of.behind = behind;
    for (const DueKey& key : found) add(of, key);
    for (const DueKey& key : std::exchange(of.put_meanwhile, {})) add(of, key);
    settle(at);
}

}  // namespace millrace::store
