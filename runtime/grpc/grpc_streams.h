// What: Subscribe calls: streams of EventTail that speak gRPC.
// Threads: the conductor's. Lifetime: borrows the tail and what Deps name; they outlive it.
// Limits: those of EventTail; how much a client has not taken is bounded where its connection is.
// Failure: the call's status says what was wrong, or why it can not go on.
#pragma once

#include "core/ids.h"
#include "io/http_types.h"
#include "runtime/grpc/messages.h"
#include "runtime/grpc/status.h"
#include "runtime/identity/principal.h"
#include "runtime/stream/stream_source.h"

#include <functional>

namespace millrace::runtime::grpc {

class GrpcStreams {
public:
    struct Deps {
        StreamSource* tail = nullptr;
        // The call goes on: its client is told so.
        std::function<void(core::ShardId, io::RequestToken)> begin;
        std::function<void(core::ShardId, io::RequestToken, CallStatus)> end;
    };

    explicit GrpcStreams(Deps deps) : deps_(std::move(deps)) {}

    void open(core::ShardId edge, io::RequestToken call, const identity::Principal& principal,
              SubscribeAsk&& ask);

private:
    class Voice;

    Deps deps_;
};

}  // namespace millrace::runtime::grpc
