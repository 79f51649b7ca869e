// What: what the tenant of a call may have under way, held against what it has. What it may have of
//       documents is the registry's (DocumentKind::quota).
// Threads: the API thread. Lifetime: none. Limits: none.
// Failure: 429 with the quota's name.
#pragma once

#include "runtime/api/call.h"
#include "runtime/identity/limits.h"

#include <cstdint>

namespace millrace::runtime::api {

// Those that run now.
core::Result<std::int64_t> replays_under_way(Services& services, core::TenantId tenant);
core::Status may_start_replay(Call& call);

}  // namespace millrace::runtime::api
