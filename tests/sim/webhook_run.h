// What: a run of its own for webhooks: events that go out to two receivers over a network that
//       loses, delays, breaks off and repeats, from a server whose process or power ends in
//       between. At the end every event has arrived well or is a dead letter that was refused often
//       enough, each under one id, and no secret stands in what people see.
// Threads: one. Lifetime: of a run; leaves nothing behind.
// Limits: as RunOptions says. Failure: RunResult::wrong in words; the run ends there.
#pragma once

#include "tests/sim/simulation.h"

namespace millrace::sim {

// `sent` counts the calls that went out.
RunResult run_webhooks(const RunOptions& options);

}  // namespace millrace::sim
