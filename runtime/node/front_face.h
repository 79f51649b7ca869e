// What: what a front's two listeners tell it; between them differs who may come.
// Threads: the front's. Lifetime: the front's, and the server's is within it. Limits: the server's.
// Failure: none.
#pragma once

#include "runtime/hub/hub_batch.h"
#include "runtime/node/front.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

class Front::Face final : public io::HttpHandler {
public:
    Face(Front& front, bool is_private) : front_(front), private_(is_private) {}
    void attach(io::HttpServer& server) { server_ = &server; }

    void on_head(const io::Request& request, io::HeadDecision& decision) override {
        decision.when_full = request.path == "/healthz" || request.path == "/readyz";
        // One event of an edge may be as large as all of it, whatever the setting is.
        if (request.path.starts_with("/v2/edges/"))
            decision.body_bytes_max = std::max(decision.body_bytes_max, hub::kBatchPackedBytesMax);
        if (request.path == kGraphqlPath)
            decision.body_bytes_max =
                std::min(decision.body_bytes_max, FrontSockets::body_bytes_max());
    }
    void on_request(io::Request& request) override { front_.take(*server_, request, private_); }
    void on_stream_drain(io::StreamToken stream) override {
        if (is_grpc(stream)) return front_.grpc_->connections().drained(stream);
        if (is_socket(stream)) return front_.sockets_->drained(stream);
        if (Passage* passage = front_.of_stream(stream, private_)) passage->drained();
    }
    bool on_preface(io::StreamToken stream, const io::Peer& peer,
                    std::span<const std::string> peer_names) override {
        if (private_) return false;
        front_.grpc_->connections().open(stream, peer, peer_names);
        return true;
    }
    void on_going_away(io::StreamToken stream) override {
        front_.grpc_->connections().go_away(stream);
    }
    void on_connection_closed(std::uint32_t connection) override {
        if (!private_) front_.grpc_->connections().forget(connection);
    }
    void on_stream_close(io::StreamToken stream) override {
        if (is_grpc(stream)) return front_.grpc_->connections().forget(stream.request.connection);
        if (is_socket(stream)) return front_.sockets_->closed(stream);
        Passage* passage = front_.of_stream(stream, private_);
        if (!passage) return;
        passage->closed();
        front_.finish(*passage);
    }
    void on_stream_bytes(io::StreamToken stream, std::string_view bytes) override {
        if (is_grpc(stream)) return front_.grpc_->connections().take(stream, bytes);
        if (is_socket(stream)) return front_.sockets_->take(stream, bytes);
        Passage* passage = front_.of_stream(stream, private_);
        if (!passage || passage->from_client(bytes)) return;
        passage->closed();
        server_->end_stream(stream);
        front_.finish(*passage);
    }

private:
    bool is_grpc(io::StreamToken stream) const {
        return !private_ && front_.grpc_->connections().has(stream.request);
    }
    bool is_socket(io::StreamToken stream) const {
        return !private_ && front_.sockets_->has(stream);
    }

    Front& front_;
    const bool private_;
    io::HttpServer* server_ = nullptr;
};

}  // namespace millrace::runtime::node
