// What: a shard as the host of its gRPC connections: who calls is known at once, batches go the way
//       of POST /v2/events, subscriptions are opened on the conductor.
// Threads: the shard's. Lifetime: EdgeHttp owns it; borrows host and hasher.
// Limits: those of the ingestor. Failure: told in the Acks, or in the call's status.
#pragma once

#include "runtime/edge/edge_grpc.h"
#include "runtime/edge/edge_host.h"
#include "runtime/edge/edge_identity.h"
#include "runtime/edge/grpc_host.h"
#include "store/ids/hasher.h"

namespace millrace::runtime {

class GrpcIngest final : public GrpcHost {
public:
    GrpcIngest(EdgeHost& host, const EdgeIdentity& identity, const store::Hasher& hasher)
        : host_(host), identity_(identity), hasher_(hasher) {}
    void attach(EdgeGrpc& connections) { connections_ = &connections; }

    // Every home has answered.
    void finish(const IngestRequest& request);

    const core::Clock& clock() const override { return host_.clock(); }
    bool draining() const override { return host_.draining(); }
    core::Status admit() override { return host_.admit(); }
    std::optional<core::Result<identity::Principal>> identify(io::RequestToken call,
                                                              const io::Request& request) override;
    bool counts_connections() const override { return !identity_.authenticator().front(); }
    void note(const core::Error& error, const identity::Principal& principal, const io::Peer& peer,
              std::string_view path) override {
        identity_.note(error, principal, peer, path, clock().monotonic_ns());
    }
    void publish(const GrpcCaller& caller, grpc::PublishQueue::Batch& batch) override;
    bool open_subscription(io::RequestToken call, const identity::Principal& principal,
                           grpc::SubscribeAsk&& ask) override {
        return host_.open_subscription(call, principal, std::move(ask));
    }
    void stream_drained(io::RequestToken call) override { host_.stream_drained({call}); }
    void stream_closed(io::RequestToken call) override { host_.stream_closed({call}); }

private:
    void fill(IngestRequest& request, const GrpcCaller& caller, grpc::PublishQueue::Batch& batch);

    EdgeHost& host_;
    EdgeIdentity identity_;
    const store::Hasher& hasher_;
    EdgeGrpc* connections_ = nullptr;
};

}  // namespace millrace::runtime
