// What: entities as they were at a moment: as they are, with every change since then undone. The
//       event of a change holds what was there before it, so that the log behind the moment is
//       enough, however little is kept before it. What retention has let go of that log may have
//       been such a change: then it is said so, and nothing is shown that may be untrue.
// Threads: any; reads the log and may take its time. Lifetime: borrows the database for a call.
// Limits: kUndoEventsMax events of changes since the moment, kUndoEntitiesMax entities of a list.
// Failure: kValidation when too much has changed since.
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

struct PastAnswer {
    std::map<std::string, std::string> views;  // by id, as clients saw them then
    // Changes after the moment are no longer kept: what was there can be told from here on. 0: it
    // can be told.
    std::int64_t gone_until_us = 0;
};
core::Result<PastAnswer> entities_at(store::Database& database, const PastEntities& asked);

}  // namespace millrace::runtime
