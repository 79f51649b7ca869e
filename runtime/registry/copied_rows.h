// What: takes rows of what is registered elsewhere (spread_rows.h) into this folder's registry: as
//       they stand there, with their numbers; of a subscription places of the log are this folder's
//       own, and one that has gone there is cleared away here before it goes. All of it, and how
//       far it is, is one commit; taking it again changes nothing. What a subscription on its way
//       out still names, and a version of a workflow with runs here that have not ended, stays
//       until a whole copy finds that nobody needs it.
// Threads: the registry's owner. Lifetime: borrows the registry.
// Limits: commits of 4 MiB: with more there are several, and how far it is stands in the last.
// Failure: an Error of the store: then nothing may be believed to be there. A row that does not
//          read, or names what is not here, is left out and told; all others are taken.
#pragma once

#include "core/result.h"
#include "runtime/registry/registry.h"
#include "runtime/registry/spread_rows.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

// By kind and id, the newest of each.
using SpreadRows = std::map<std::pair<std::string, std::string>, SpreadRow>;

struct CopiesTaken {
    std::vector<RegistryChange> changes;   // in the order in which they were made
    std::vector<SubscriptionRef> closing;  // of those, subscriptions to be cleared away
    std::vector<SpreadRow> canaries;       // of kCanaryKind; no documents
    std::vector<std::string> left_out;     // "kind id: why"
};

// Whether runs of that version of a workflow are here and have not ended; 0: of any version.
using RunsLeft = std::function<bool(core::TenantId, std::string_view workflow, std::uint32_t)>;

// `rows`: with those that are gone.
core::Result<CopiesTaken> take_copies(Registry& registry, const SpreadRows& rows,
                                      const ChangeContext& context, std::size_t home,
                                      std::uint64_t revision, const RunsLeft& runs_left = {});

// Of a whole copy: what is here of that home and is not in it any more is gone there.
core::Status add_gone(store::RegistryStore& here, const SpreadRule& rule, std::size_t home,
                      SpreadRows& rows);

}  // namespace millrace::runtime
