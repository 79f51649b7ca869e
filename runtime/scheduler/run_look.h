// What: whether a run of a schedule is over: every delivery of its event has an outcome that is
//       final.
// Threads: any. Lifetime: borrows all of Deps.
// Limits: 1,000 deliveries of one event are looked at.
// Failure: what cannot be read now counts as not over.
#pragma once

#include "runtime/delivery/behind_table.h"
#include "runtime/registry/schedule_event.h"
#include "store/database.h"

#include <cstdint>
#include <functional>

namespace millrace::runtime {

enum class RunEnd : std::uint8_t {
    kAbsent,  // its event is not in the log (yet, or any more)
    kRunning,
    kDone,
    kFailed,  // a delivery was given up
};

struct RunLookDeps {
    store::Database* database = nullptr;
    // Everything before has had its first outcome, but for those who are behind.
    std::function<core::LogOffset(core::ShardId)> delivered;
    const BehindTable* behind = nullptr;
    std::function<RegistrySnapshotRef()> registry;
};

RunEnd look_at_run(const RunLookDeps& deps, const Schedule& schedule, const ScheduleRun& run);

}  // namespace millrace::runtime
