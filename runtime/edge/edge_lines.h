// What: the socket face of one shard: batches of NDJSON lines become ingest requests, and acks go
//       out in the order of the lines although homes finish in any order.
// Threads: the shard's. Lifetime: the shard owns it.
// Limits: LineLimits bound what a connection may have unacked.
// Failure: a bad line is rejected by number; the rest of its batch goes in.
#pragma once

#include "io/line_server.h"
#include "runtime/edge/edge_http.h"
#include "runtime/identity/limits.h"
#include "runtime/shard/ingest_request.h"

#include <deque>
#include <string_view>
#include <unordered_map>

namespace millrace::runtime {

class EdgeLines final : public io::LineHandler {
public:
    EdgeLines(EdgeHost& host, const EdgeIdentity& identity) : host_(host), identity_(identity) {}
    void attach(io::LineServer& server) { server_ = &server; }

    core::Status on_hello(io::LineToken connection, const io::LineHello& hello,
                          const io::Peer& peer) override;
    void on_lines(io::LineBatch&& batch) override;
    void on_line_close(io::LineToken connection) override;
    std::int64_t busy_seconds() const override { return host_.drain_seconds(); }

    void finish(IngestRequest& request);

private:
    struct Batch {
        std::uint64_t first_line = 0;
        std::uint64_t last_line = 0;
        std::uint64_t duplicates = 0;
        bool done = false;
    };
    struct Line {
        identity::Principal principal;
        identity::HeldConnection held;
        std::deque<Batch> batches;  // not yet acknowledged, in order
    };
    struct TokenHash {
        std::size_t operator()(const io::LineToken& token) const {
            return std::hash<std::uint64_t>{}((std::uint64_t{token.connection} << 32) |
                                              token.generation);
        }
    };
    core::Status take(IngestRequest& request, const identity::Principal& principal);
    void acknowledge(io::LineToken connection, store::Durability durability);

    EdgeHost& host_;
    EdgeIdentity identity_;
    io::LineServer* server_ = nullptr;
    std::unordered_map<io::LineToken, Line, TokenHash> open_;
};

}  // namespace millrace::runtime
