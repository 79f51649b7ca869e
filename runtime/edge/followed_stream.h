// What: what a stream of events follows. A node's front follows dead letters and executions for its
//       clients of GraphQL by GET /v2/events/stream and a header beside it; the scope is that of
//       what is followed, not that of events. From anybody else the header means nothing.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "io/http_types.h"
#include "runtime/identity/scopes.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/stream/stream_source.h"

namespace millrace::runtime {

// `front`: null where none is believed, which is every server that stands alone.
StreamKind followed_stream(const io::Request& request, const identity::TrustedFront* front);
identity::Scope scope_of(StreamKind kind);

}  // namespace millrace::runtime
