// What: what the faces of a shard ask of it. Declared here, by its users.
// Threads: the shard's. Lifetime: outlives its faces. Limits: its own.
// Failure: admit() says why no event is taken.
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "io/http_types.h"
#include "runtime/api/api.h"
#include "runtime/edge/edge_hooks.h"
#include "runtime/edge/ingestor.h"
#include "runtime/grpc/messages.h"
#include "runtime/identity/principal.h"
#include "runtime/shard/ingest_request.h"
#include "store/log/pool_set.h"

#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {

class EdgeHost {
public:
    virtual ~EdgeHost() = default;
    // A fresh request, to be filled and given to start() or drop().
    virtual IngestRequest& take_request() = 0;
    virtual void drop(IngestRequest& request) = 0;
    // Sends the parsed items to their homes; the answer follows.
    virtual void start(IngestRequest& request) = 0;
    virtual Ingestor& ingestor() = 0;
    virtual store::PoolSet& pools() = 0;
    // Why no event is taken now; empty code path when all is well.
    virtual core::Status admit() = 0;
    // How long what is on its way will take, at the pace of the last seconds: when to come again.
    virtual std::int64_t drain_seconds() const = 0;
    // The server is ending: only questions about its state are answered.
    virtual bool draining() const = 0;
    virtual store::Durability default_durability() const = 0;
    virtual const core::Clock& clock() const = 0;
    // To the API thread; the answer comes back through HttpServer::respond on this shard.
    virtual void forward(api::ApiRequest&& request, io::RequestToken token) = 0;
    // To a lane; the answer comes back through EdgeHttp::hook_transformed on this shard.
    virtual void transform_hook(std::unique_ptr<HookTransform> transform) = 0;
    // Opens a stream of events; `accept`: of a WebSocket, what its handshake is answered with.
    virtual void open_stream(const io::Request& request, api::RouteId route,
                             const identity::Principal& principal, std::string accept) = 0;
    // A message of a stream that takes them. False: too many wait.
    virtual bool stream_message(io::StreamToken stream, std::string&& text) = 0;
    // Opens a stream of events on a gRPC call. False: too many wait.
    virtual bool open_subscription(io::RequestToken call, const identity::Principal& principal,
                                   grpc::SubscribeAsk&& ask) = 0;
    virtual void stream_drained(io::StreamToken stream) = 0;
    virtual void stream_closed(io::StreamToken stream) = 0;
};

inline core::Error shutting_down() {
    return core::Error(core::ErrorCode::kUnavailable, "the server is shutting down").retry_after(5);
}

}  // namespace millrace::runtime
