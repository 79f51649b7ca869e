// What: what connections of gRPC ask of whoever they are of: a shard, or a cluster's front. Once a
//       call, once a batch; never once an event.
// Threads: that of the connections. Lifetime: outlives them. Limits: its own.
// Failure: admit() says why no event is taken; a batch that is not taken ends its call by end().
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "io/http_types.h"
#include "runtime/grpc/messages.h"
#include "runtime/grpc/publish_queue.h"
#include "runtime/identity/principal.h"

#include <optional>
#include <string_view>

namespace millrace::runtime {

// Whose a batch is.
struct GrpcCaller {
    io::RequestToken call;
    const identity::Principal& principal;
    std::string_view trace;
    const io::Peer& peer;
    std::string_view path;
};

class GrpcHost {
public:
    virtual ~GrpcHost() = default;
    virtual const core::Clock& clock() const = 0;
    // The server is ending: calls that are there end, others do not begin.
    virtual bool draining() const = 0;
    // Why no event is taken now.
    virtual core::Status admit() = 0;
    // Who calls. Nothing: it is being asked, and EdgeGrpc::identified() follows.
    virtual std::optional<core::Result<identity::Principal>> identify(
        io::RequestToken call, const io::Request& request) = 0;
    // Whether a connection counts as one of its key's.
    virtual bool counts_connections() const = 0;
    // A call was refused, or is over what its caller may have.
    virtual void note(const core::Error& error, const identity::Principal& principal,
                      const io::Peer& peer, std::string_view path) = 0;
    // A batch on its way; EdgeGrpc::finish() or end() follows, now or later.
    virtual void publish(const GrpcCaller& caller, grpc::PublishQueue::Batch& batch) = 0;
    // Opens a stream of events on a call. False: too many wait.
    virtual bool open_subscription(io::RequestToken call, const identity::Principal& principal,
                                   grpc::SubscribeAsk&& ask) = 0;
    virtual void stream_drained(io::RequestToken call) = 0;
    virtual void stream_closed(io::RequestToken call) = 0;
    // Nothing is left of it.
    virtual void call_closed(io::RequestToken /*call*/) {}
};

}  // namespace millrace::runtime
