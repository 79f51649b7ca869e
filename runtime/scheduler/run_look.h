// What: whether a run of a schedule is over: every subscription that wants its event has an outcome
//       of it that is final. It asks for this event alone: what other deliveries are doing, and how
//       far they have come, says nothing.
// Threads: the scheduler's. Lifetime: borrows all of Deps.
// Limits: 1,000 deliveries of one event are looked at.
// Failure: what cannot be read now counts as not over.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/schedule_event.h"
#include "store/database.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace millrace::runtime {

enum class RunEnd : std::uint8_t {
    kAbsent,  // its event is not in the log (yet, or any more)
    kRunning,
    kDone,
    kFailed,  // a delivery was given up
};

struct RunLookDeps {
    store::Database* database = nullptr;
    // Which subscriptions get this event: those of now that want it and were there before it.
    std::function<void(const store::StoredEvent&, const RegistrySnapshot&,
                       std::vector<core::SubscriptionId>&)>
        wanted_by;
    std::function<RegistrySnapshotRef()> registry;
};

// Where its event stands; none: it is not in the log (yet, or any more).
core::Result<std::optional<core::LogPosition>> find_run(store::Database& database,
                                                        const Schedule& schedule,
                                                        const ScheduleRun& run);
RunEnd look_at_run(const RunLookDeps& deps, const Schedule& schedule, const ScheduleRun& run);

}  // namespace millrace::runtime
