// What: the answer to POST /v2/events, as the outside contract words it.
// Threads: pure but for the body it writes. Lifetime: none.
// Limits: none of its own. Failure: none.
#pragma once

#include "io/body_writer.h"
#include "runtime/shard/ingest_request.h"
#include "store/ids/hasher.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime {

struct IngestReply {
    int status = 202;
    std::int64_t retry_after_seconds = core::Error::kNoPosition;
};

// Moves refused items into `rejected`, sorts it by entry, applies all-or-none; then writes the
// body. `busy_seconds`: when to come again with what the server had no room for.
// `replicated`: what a partition of a cluster says of events that are on its disk, in the place of
// the durability; empty: this server stands alone.
IngestReply write_ingest_reply(IngestRequest& request, const store::Hasher& hasher,
                               std::int64_t busy_seconds, io::BodyWriter& body,
                               std::string_view replicated = {});

}  // namespace millrace::runtime
