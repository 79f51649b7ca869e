// What: the answer to POST /v2/events, as the outside contract words it.
// Threads: pure but for the body it writes. Lifetime: none.
// Limits: none of its own. Failure: none.
#pragma once

#include "io/body_writer.h"
#include "runtime/shard/ingest_request.h"
#include "store/ids/hasher.h"

namespace millrace::runtime {

struct IngestReply {
    int status = 202;
    std::int64_t retry_after_seconds = core::Error::kNoPosition;
};

// Moves refused items into `rejected`, sorts it by entry, applies all-or-none; then writes the
// body. `busy_seconds`: when to come again with what the server had no room for.
IngestReply write_ingest_reply(IngestRequest& request, const store::Hasher& hasher,
                               std::int64_t busy_seconds, io::BodyWriter& body);

}  // namespace millrace::runtime
