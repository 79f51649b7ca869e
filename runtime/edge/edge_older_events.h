// What: bodies whose events have members of the older document (runtime/event/older_events.h).
//       Nobody looks for them in a body that needs no such look: it is read as it is, and once more
//       with our names when members were refused that are known from there.
// Threads: the shard's. Lifetime: none.
// Limits: those of the ingestor. Failure: what the ingestor says, by its place in what was sent.
#pragma once

#include "core/event_parser.h"
#include "core/result.h"
#include "runtime/edge/ingestor.h"
#include "runtime/shard/ingest_request.h"
#include "store/log/pool_set.h"

namespace millrace::runtime {

// Some entry was refused for such a member.
bool has_older_members(const IngestRequest& request);

// Reads it once more; what was read of it before is dropped.
core::Status read_older_events(IngestRequest& request, Ingestor& ingestor, store::PoolSet& pools,
                               core::BatchFormat format);

}  // namespace millrace::runtime
