// What: the gRPC face of one shard: connections of the HTTP server that begin as HTTP/2 are its
//       own; their bytes go through a GrpcConnection each.
// Threads: the shard's. Lifetime: EdgeHttp owns it. A call is named by io::RequestToken: its
//       connection, that one's generation, and its HTTP/2 stream in the place of the sequence.
// Limits: those of GrpcConnection; what is written waits in the connection's window.
// Failure: a connection that breaks HTTP/2's rules is closed behind a GOAWAY that says why.
#pragma once

#include "io/http_server.h"
#include "runtime/edge/grpc_connection.h"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime {

class EdgeGrpc {
public:
    EdgeGrpc(EdgeHost& host, const EdgeIdentity& identity, const store::Hasher& hasher)
        : context_{host, identity, hasher} {}
    void attach(io::HttpServer& server, const io::HttpLimits& limits);

    // The server's side: connections.
    void open(io::StreamToken connection, const io::Peer& peer,
              std::span<const std::string> peer_names);
    bool has(io::RequestToken token) const { return find(token) != nullptr; }
    void take(io::StreamToken connection, std::string_view bytes);
    void drained(io::StreamToken connection);
    void go_away(io::StreamToken connection);
    // Nothing is left of the connection with this number.
    void forget(std::uint32_t connection) { open_.erase(connection); }

    // The conductor's side: subscriptions.
    // False: the call is gone.
    bool begin(io::RequestToken call);
    io::WriteOutcome write(io::RequestToken call, std::string_view frames);
    void end(io::RequestToken call, const grpc::CallStatus& status);

    void finish(const IngestRequest& request);
    // Deadlines and the like, when they are due.
    std::size_t do_work();
    std::int64_t sleep_limit_us(std::int64_t timeout_us) const;
    const GrpcTally& tally() const { return context_.tally; }

private:
    static constexpr std::size_t kPullBytes = 32u << 10;

    struct Open {
        std::unique_ptr<GrpcConnection> connection;
        std::string out;  // pulled, and not taken by the server yet
        bool full = false;
        bool taking = false;  // bytes are being taken: what they lead to is sent behind them
        bool ended = false;   // the server closes it
    };
    const Open* find(io::RequestToken token) const;
    Open* find(io::RequestToken token) {
        return const_cast<Open*>(static_cast<const EdgeGrpc*>(this)->find(token));
    }
    // The connection may be gone behind it.
    void send(Open& open);

    GrpcContext context_;
    io::HttpServer* server_ = nullptr;
    std::map<std::uint32_t, Open> open_;  // by the number of the connection
    std::int64_t next_look_ns_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace millrace::runtime
