// What: a run of its own for workflows: definitions of random graphs and one that is code, begun by
//       several clients of two tenants, cancelled, paused, signalled, on a server whose process or
//       power ends at any commit. In the end all runs have ended, what completed has had its effect
//       once, what did not has had none, and what was begun was made up for where that was asked.
// Threads: one. Lifetime: of a run; leaves nothing behind.
// Limits: as RunOptions says. Failure: RunResult::wrong in words; the run ends there.
#pragma once

#include "tests/sim/simulation.h"

namespace millrace::sim {

// `sent` counts the runs that there are in the end, `acknowledged` those that were answered for.
RunResult run_workflows(const RunOptions& options);

}  // namespace millrace::sim
