#include "runtime/replay/replay_history.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime {

void ReplayHistory::add(core::TenantId tenant, Entry&& entry) {
    std::vector<Entry>& entries = tenants_[tenant];
    entries.insert(std::upper_bound(entries.begin(), entries.end(), entry), std::move(entry));
}

std::vector<ReplayHistory::Entry> ReplayHistory::end(core::TenantId tenant, std::string_view id) {
    std::vector<Entry> leaving;
    std::vector<Entry>& entries = tenants_[tenant];
    std::size_t finished = 0;
    for (Entry& entry : entries) {
        if (entry.id == id) entry.running = false;
        finished += !entry.running;
    }
    // From the oldest on; an older one may still run.
    for (auto it = entries.end(); finished > kFinishedMax && it != entries.begin();) {
        --it;
        if (it->running) continue;
        leaving.push_back(std::move(*it));
        it = entries.erase(it);
        --finished;
    }
    return leaving;
}

std::vector<std::string> ReplayHistory::old_differences(core::TenantId tenant) {
    std::vector<std::string> old;
    std::size_t kept = 1;  // the one that begins
    for (Entry& entry : tenants_[tenant]) {
        if (!entry.has_differences || ++kept <= kDryRunsKept) continue;
        entry.has_differences = false;
        old.push_back(entry.id);
    }
    return old;
}

// The cursor is the place of the page's last one: it may be gone by now.
core::Result<ReplayHistory::Page> ReplayHistory::page(core::TenantId tenant,
                                                      std::string_view cursor,
                                                      std::size_t limit) const {
    Page page;
    Entry behind;
    if (!cursor.empty()) {
        const auto [at, error] =
            std::from_chars(cursor.data(), cursor.data() + cursor.size(), behind.created_at_us);
        if (error != std::errc() || at == cursor.data() + cursor.size() || *at != ' ') {
            return core::fail(
                core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                    .in("cursor"));
        }
        behind.id = cursor.substr(static_cast<std::size_t>(at - cursor.data()) + 1);
    }
    const auto own = tenants_.find(tenant);
    if (own == tenants_.end()) return page;
    const std::vector<Entry>& entries = own->second;
    auto it =
        cursor.empty() ? entries.begin() : std::upper_bound(entries.begin(), entries.end(), behind);
    for (; it != entries.end() && page.ids.size() < limit; ++it) page.ids.push_back(it->id);
    if (it != entries.end() && it != entries.begin()) {
        const Entry& last = *std::prev(it);
        page.next = cursor_at(last.created_at_us, last.id);
    }
    return page;
}

}  // namespace millrace::runtime
