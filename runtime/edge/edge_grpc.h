// What: the gRPC face of one HTTP server: its connections that begin as HTTP/2; their bytes go
//       through a GrpcConnection each. Whose it is, a shard's or a front's, is the host's business.
// Threads: the server's. Lifetime: the host outlives it. A call is named by io::RequestToken: its
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
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime {

class EdgeGrpc {
public:
    explicit EdgeGrpc(GrpcHost& host) : context_{host} {}
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

    // The host's side: who calls, subscriptions, batches that are done.
    void identified(io::RequestToken call, core::Result<identity::Principal>&& principal);
    // False: the call is gone.
    bool begin(io::RequestToken call);
    io::WriteOutcome write(io::RequestToken call, std::string_view frames);
    void end(io::RequestToken call, const grpc::CallStatus& status);

    // make(grpc::PublishQueue::Batch&) puts the batch's Acks into it, or says how the call ends; it
    // is not called when the call is gone.
    template <typename Make>
    void finish(io::RequestToken call, std::uint64_t number, const Make& make) {
        Open* const open = find(call);
        if (!open) return;
        auto* const batch = open->connection->find_batch(call.sequence, number);
        if (!batch) return;
        const std::optional<grpc::CallStatus> ends = make(*batch);
        if (ends)
            open->connection->end(call.sequence, *ends);
        else
            open->connection->finish(call.sequence, *batch);
        send(*open);
    }
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
