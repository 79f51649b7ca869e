// What: the order of a run's entries, and a table's identities in it.
// Threads: pure; the table is frozen. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "store/id_run.h"
#include "store/id_table.h"

#include <vector>

namespace millrace::store {

inline bool in_run_order(const RunEntry& a, const RunEntry& b) {
    if (a.id.by_id != b.id.by_id) return a.id.order() < b.id.order();
    if (a.id.by_source != b.id.by_source) return a.id.by_source < b.id.by_source;
    return a.offset < b.offset;
}

std::vector<RunEntry> sorted_entries(const IdTable& table);

}  // namespace millrace::store
