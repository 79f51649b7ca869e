// What: the HTTP face of one shard: routes a request, takes events in itself, and passes everything
//       else on. Knows HTTP and the contract's wording, no queue.
// Threads: the shard's. Lifetime: the shard (EdgeHost) owns it; borrows the API's route table.
// Limits: HttpLimits; bodies of events are counted by the host.
// Failure: every error is answered in the contract's form.
#pragma once

#include "io/http_server.h"
#include "runtime/api/api.h"
#include "runtime/api/console_file.h"
#include "runtime/edge/edge_hooks.h"
#include "runtime/edge/edge_identity.h"
#include "runtime/edge/edge_sockets.h"
#include "runtime/edge/ingestor.h"
#include "runtime/identity/limits.h"
#include "runtime/registry/edge_book.h"
#include "runtime/shard/ingest_request.h"
#include "store/log/pool_set.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::runtime {

// What the faces of a shard ask of it. Declared here, by its users.
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
    virtual void stream_drained(io::StreamToken stream) = 0;
    virtual void stream_closed(io::StreamToken stream) = 0;
};

inline core::Error shutting_down() {
    return core::Error(core::ErrorCode::kUnavailable, "the server is shutting down").retry_after(5);
}

class EdgeHttp final : public io::HttpHandler {
public:
    EdgeHttp(EdgeHost& host, const api::Api& api, const EdgeIdentity& identity,
             const SourceBook& sources, const EdgeBook& edges, const store::Hasher& hasher,
             api::ConsoleFiles console = {});
    void attach(io::HttpServer& server) { server_ = &server; }

    void on_head(const io::Request& request, io::HeadDecision& decision) override;
    void on_request(io::Request& request) override;
    void on_stream_drain(io::StreamToken stream) override { host_.stream_drained(stream); }
    void on_stream_close(io::StreamToken stream) override {
        sockets_.forget(stream);
        host_.stream_closed(stream);
    }
    void on_stream_bytes(io::StreamToken stream, std::string_view bytes) override;
    std::int64_t busy_seconds() const override { return host_.drain_seconds(); }
    void on_connection_closed(std::uint32_t connection) override {
        sockets_.forget(connection);
        if (connection < held_.size()) held_[connection] = {};
    }

    // Every home has answered.
    void finish(IngestRequest& request);
    void hook_transformed(HookTransform& transform);

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
    void respond_api(io::RequestToken token, api::ApiResponse&& response);

    EdgeHost& host_;
    const api::Api& api_;
    EdgeIdentity identity_;
    const EdgeBook& edges_;
    const store::Hasher& hasher_;
    const api::ConsoleFiles console_;
    EdgeHooks hooks_;
    EdgeSockets sockets_;
    io::HttpServer* server_ = nullptr;
    Gate gate_;                                   // of the request whose head came last
    std::vector<identity::HeldConnection> held_;  // by connection: whose it counts as
};

}  // namespace millrace::runtime
