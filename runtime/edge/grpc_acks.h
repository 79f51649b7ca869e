// What: the Acks of a batch of Publish messages whose events all have been answered for.
// Threads: a shard's. Lifetime: none. Limits: none of its own. Failure: none.
#pragma once

#include "runtime/grpc/publish_queue.h"
#include "runtime/shard/ingest_request.h"
#include "store/ids/hasher.h"

#include <cstdint>

namespace millrace::runtime {

struct AckTerms {
    std::int64_t busy_seconds = 1;  // when to come again with what the server had no room for
    bool replicated = false;        // what is synced here is in other copies, too
};

// Into batch.acks, framed, one for each message.
void make_acks(const IngestRequest& request, const store::Hasher& hasher, const AckTerms& terms,
               grpc::PublishQueue::Batch& batch);

}  // namespace millrace::runtime
