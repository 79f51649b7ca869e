// What: an answer of POST /v2/events as the Acks of gRPC's Publish: of each event what its owner
//       has said of it.
// Threads: pure. Lifetime: borrows. Limits: none of its own.
// Failure: an answer that says nothing of its events is how the call ends: UNKNOWN where they may
//          have been taken. One that does not add up counts as that.
#pragma once

#include "runtime/grpc/publish_queue.h"
#include "runtime/grpc/status.h"

#include <optional>
#include <string_view>

namespace millrace::runtime::node {

// Into batch.acks, framed, one for each message; or how the call ends.
std::optional<grpc::CallStatus> make_acks_of(int status, std::string_view body,
                                             grpc::PublishQueue::Batch& batch);

}  // namespace millrace::runtime::node
