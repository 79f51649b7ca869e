// What: what POST /v2/replays is sent, as a replay's spec: range, criteria of a list of events, who
//       gets them, pace, and what a dry run compares.
// Threads: the conductor's. Lifetime: borrows the call. Limits: those of events and filters.
// Failure: kValidation with the member.
#pragma once

#include "runtime/api/call.h"
#include "runtime/api/part_order.h"
#include "runtime/replay/replay_types.h"

namespace millrace::runtime::api {

// `part`: what the front of a cluster has said beside it.
core::Result<ReplaySpec> read_replay_body(Call& call, const PartOrder& part);

}  // namespace millrace::runtime::api
