// What: the trace that events come with: of the request's headers, and of a CloudEvent its own
//       extension, which says more of where it began and wins.
// Threads: a shard's. Lifetime: what is kept beside the events lives in request.texts.
// Limits: trace_context.h. No work for a request without one but a look at its headers' lengths.
// Failure: none; what is no trace is left out.
#pragma once

#include "io/http_types.h"
#include "runtime/shard/ingest_request.h"

#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime {

// As TraceHeaders tells it; empty: none.
std::string trace_in(std::span<const io::HeaderField> headers);
// For all items of the request that have none yet.
void keep_trace(std::string_view trace, IngestRequest& request);
// For items that came as CloudEvents.
void keep_cloud_event_traces(IngestRequest& request);

}  // namespace millrace::runtime
