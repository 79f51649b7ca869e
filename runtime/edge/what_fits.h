// What: a quota that does not hold all of what came at once, where that is no business of the
//       sender's: each event is held against it for itself, in their order.
// Threads: a shard's. Lifetime: none. Limits: the sender's quotas.
// Failure: what does not fit is in request.rejected; the last reason is given back.
#pragma once

#include "runtime/identity/principal.h"
#include "runtime/shard/ingest_request.h"

#include <cstdint>
#include <optional>

namespace millrace::runtime {

// nullopt: all of it fits.
std::optional<core::Error> take_what_fits(IngestRequest& request,
                                          const identity::Principal& principal,
                                          std::int64_t now_ns);

}  // namespace millrace::runtime
