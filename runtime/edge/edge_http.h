// What: the HTTP face of one shard: routes a request, takes events in itself, and passes everything
//       else on. Knows HTTP and the contract's wording, no queue.
// Threads: the shard's. Lifetime: the shard (EdgeHost) owns it; borrows the API's route table.
// Limits: HttpLimits; bodies of events are counted by the host.
// Failure: every error is answered in the contract's form.
#pragma once

#include "io/http_server.h"
#include "runtime/api/api.h"
#include "runtime/api/console_file.h"
#include "runtime/edge/edge_grpc.h"
#include "runtime/edge/edge_hooks.h"
#include "runtime/edge/edge_host.h"
#include "runtime/edge/edge_identity.h"
#include "runtime/edge/edge_sockets.h"
#include "runtime/edge/grpc_ingest.h"
#include "runtime/edge/ingestor.h"
#include "runtime/identity/limits.h"
#include "runtime/registry/edge_book.h"
#include "runtime/shard/ingest_request.h"
#include "store/log/pool_set.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::runtime {

class EdgeHttp final : public io::HttpHandler {
public:
    EdgeHttp(EdgeHost& host, const api::Api& api, const EdgeIdentity& identity,
             const SourceBook& sources, const EdgeBook& edges, const store::Hasher& hasher,
             api::ConsoleSet console = {});
    void attach(io::HttpServer& server, const io::HttpLimits& limits) {
        server_ = &server;
        grpc_.attach(server, limits);
    }

    void on_head(const io::Request& request, io::HeadDecision& decision) override;
    void on_request(io::Request& request) override;
    void on_stream_drain(io::StreamToken stream) override {
        grpc_.has(stream.request) ? grpc_.drained(stream) : host_.stream_drained(stream);
    }
    void on_stream_close(io::StreamToken stream) override {
        if (grpc_.has(stream.request)) return grpc_.forget(stream.request.connection);
        sockets_.forget(stream);
        host_.stream_closed(stream);
    }
    bool on_preface(io::StreamToken connection, const io::Peer& peer,
                    std::span<const std::string> peer_names) override {
        grpc_.open(connection, peer, peer_names);
        return true;
    }
    void on_going_away(io::StreamToken connection) override { grpc_.go_away(connection); }
    void on_stream_bytes(io::StreamToken stream, std::string_view bytes) override;
    std::int64_t busy_seconds() const override { return host_.drain_seconds(); }
    void on_connection_closed(std::uint32_t connection) override {
        sockets_.forget(connection);
        grpc_.forget(connection);
        if (connection < held_.size()) held_[connection] = {};
    }

    // Every home has answered.
    void finish(IngestRequest& request);
    void finish_grpc(const IngestRequest& request) { grpc_host_.finish(request); }
    void hook_transformed(HookTransform& transform);
    EdgeGrpc& grpc() { return grpc_; }

private:
    // What is known of a request since its head has come: who asks, for what, and whether they may.
    struct Gate {
        std::uint32_t connection = ~0u;
        std::uint32_t generation = 0;
        io::RouteMatch match;
        identity::Principal principal;
        core::Status allowed;
        core::Error page_refused;  // see ApiRequest
    };
    void pass_gate(const io::Request& request);
    bool is_preflight(const io::Request& request) const;
    core::Status hold_edge(const io::Request& request, const api::Route& route) const;
    core::Status hold_connection(std::uint32_t connection);
    void add_answer_lines(const io::Request& request, io::HeadDecision& decision) const;
    void respond_unmatched(const io::Request& request);
    void take_events(io::Request& request);
    core::Status read_events(io::Request& http, IngestRequest& request);
    core::Status spend(const IngestRequest& request);
    void note_refusal(const io::Request& request, const core::Error& error) const;
    void open_stream(io::Request& request, api::RouteId route);
    bool shake_hands(const io::Request& request, std::string& accept);
    void take_graphql(io::Request& request, api::RouteId route);
    void take_hook(io::Request& request);
    void take_hook_event(HookOutcome&& outcome, io::RequestToken token);
    void forward(io::Request& request);
    bool crosses(const io::Request& request) const;
    bool takes_back(const io::Request& request) const;
    void respond_api(io::RequestToken token, api::ApiResponse&& response);

    EdgeHost& host_;
    const api::Api& api_;
    EdgeIdentity identity_;
    const EdgeBook& edges_;
    const store::Hasher& hasher_;
    const api::ConsoleSet console_;
    EdgeHooks hooks_;
    EdgeSockets sockets_;
    GrpcIngest grpc_host_;
    EdgeGrpc grpc_;
    io::HttpServer* server_ = nullptr;
    Gate gate_;                                   // of the request whose head came last
    std::vector<identity::HeldConnection> held_;  // by connection: whose it counts as
};

}  // namespace millrace::runtime
