#include "store/ids/id_sort.h"

#include <algorithm>
#include <utility>

namespace millrace::store {
namespace {

// Entries stand near their places: by no more than the slots that are taken in a row.
void settle(std::vector<RunEntry>& entries) {
    for (std::size_t i = 1; i < entries.size(); ++i) {
        if (!in_run_order(entries[i], entries[i - 1])) continue;
        const RunEntry entry = entries[i];
        std::size_t at = i;
        for (; at > 0 && in_run_order(entry, entries[at - 1]); --at) entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

}  // namespace

// The table's first half is in order but for neighbours and for those that went around its end.
std::vector<RunEntry> sorted_entries(const IdTable& table) {
    std::vector<RunEntry> sorted;
    std::vector<RunEntry> around;
    sorted.reserve(table.count());
    for (std::size_t i = 0; i < table.slots(); ++i) {
        const IdTable::Slot& slot = table.slot(i);
        const std::uint64_t held =
            slot.offset_plus_1.load(std::memory_order_acquire);  // pairs with IdTable::insert
        if (held == 0) continue;
        const RunEntry entry{{slot.by_id.load(std::memory_order_relaxed),
                              slot.by_source.load(std::memory_order_relaxed)},
                             held - 1};
        (table.home(entry.id.by_id) > i ? around : sorted).push_back(entry);
    }
    sorted.insert(sorted.end(), around.begin(), around.end());
    if (table.crowded()) {
        std::sort(sorted.begin(), sorted.end(),
                  [](const RunEntry& a, const RunEntry& b) { return in_run_order(a, b); });
    } else {
        settle(sorted);
    }
    return sorted;
}

}  // namespace millrace::store
