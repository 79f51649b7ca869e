// What: entities as they were at a moment: as they are, with every change since then undone. The
//       event of a change holds what was there before it, so that the log behind the moment is
//       enough, however little is kept before it.
// Threads: any; reads the log and may take its time. Lifetime: borrows the database for a call.
// Limits: kUndoEventsMax events of changes since the moment, kUndoEntitiesMax entities of a list.
// Failure: kValidation when the log does not reach back so far, or too much has changed since.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/database.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kUndoEventsMax = 1'000'000;
inline constexpr std::size_t kUndoEntitiesMax = 100'000;

struct PastEntities {
    core::TenantId tenant;
    std::string type;
    std::string id;  // empty: all of the type
    std::int64_t at_us = 0;
};

// By id, as clients saw them then.
core::Result<std::map<std::string, std::string>> entities_at(store::Database& database,
                                                             const PastEntities& asked);

}  // namespace millrace::runtime
