// What: a table's identities in the order of a run.
// Threads: pure; the table is frozen. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "store/ids/id_run.h"
#include "store/ids/id_table.h"

#include <vector>

namespace millrace::store {

std::vector<RunEntry> sorted_entries(const IdTable& table);

}  // namespace millrace::store
