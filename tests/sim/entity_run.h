// What: a run of its own for entities: several writers on the same few documents of two tenants,
//       with a hook before each change, on a server whose process or power ends in between. The
//       model is asked at each start and at the end, where the past is looked at, too.
// Threads: one. Lifetime: of a run; leaves nothing behind.
// Limits: as RunOptions says. Failure: RunResult::wrong in words; the run ends there.
#pragma once

#include "tests/sim/simulation.h"

namespace millrace::sim {

// `sent` counts the changes in the log, `acknowledged` the writes that were answered.
RunResult run_entities(const RunOptions& options);

}  // namespace millrace::sim
