// What: a run of its own for schedules: the whole server, with schedules of seconds to a day in
//       both tenants, on a machine whose wall clock is set by an hour or thirty days, which stands
//       still for two hours, and whose process or power ends around due times; schedules are
//       paused, changed and triggered meanwhile. The model is asked at each start and at the end.
// Threads: one. Lifetime: of a run; leaves nothing behind.
// Limits: as RunOptions says. Failure: RunResult::wrong in words; the run ends there.
#pragma once

#include "tests/sim/simulation.h"

namespace millrace::sim {

// `sent` counts the times that fired, `acknowledged` those that were made up for.
RunResult run_schedules(const RunOptions& options);

}  // namespace millrace::sim
