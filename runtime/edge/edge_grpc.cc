#include "runtime/edge/edge_grpc.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace millrace::runtime {

void EdgeGrpc::attach(io::HttpServer& server, const io::HttpLimits& limits) {
    server_ = &server;
    context_.http2.header_bytes_max = limits.header_bytes_max;
    context_.http2.header_count_max = limits.header_count_max;
    context_.message_bytes_max = std::min(context_.message_bytes_max, limits.body_bytes_max);
    context_.idle_ms_max = limits.idle_ms_max;
    context_.write_ms_max = limits.write_ms_max;
}

const EdgeGrpc::Open* EdgeGrpc::find(io::RequestToken token) const {
    const auto found = open_.find(token.connection);
    if (found == open_.end()) return nullptr;
    const bool same = found->second.connection->token().generation == token.generation;
    return same ? &found->second : nullptr;
}

void EdgeGrpc::open(io::StreamToken connection, const io::Peer& peer,
                    std::span<const std::string> peer_names) {
    Open& open = open_[connection.request.connection];
    open = {};
    open.connection =
        std::make_unique<GrpcConnection>(context_, connection.request, peer, peer_names);
    next_look_ns_ = std::min(next_look_ns_, open.connection->due_ns());
}

void EdgeGrpc::take(io::StreamToken connection, std::string_view bytes) {
    Open* open = find(connection.request);
    if (!open || open->ended) return;
    open->taking = true;
    open->connection->take(bytes, context_.host.clock().monotonic_ns());
    open->taking = false;
    next_look_ns_ = std::min(next_look_ns_, open->connection->due_ns());
    const bool kept = server_->keep_for_stream(connection, open->connection->held_bytes());
    open = find(connection.request);  // it may have been cut off for its room
    if (!open) return;
    if (!kept) open->connection->free_room();
    send(*open);
}

void EdgeGrpc::drained(io::StreamToken connection) {
    Open* const open = find(connection.request);
    if (!open) return;
    open->full = false;
    send(*open);
}

void EdgeGrpc::go_away(io::StreamToken connection) {
    Open* const open = find(connection.request);
    if (!open) return;
    open->connection->go_away();
    send(*open);
}

bool EdgeGrpc::begin(io::RequestToken call) {
    Open* const open = find(call);
    if (!open || !open->connection->begin(call.sequence)) return false;
    send(*open);
    return true;
}

io::WriteOutcome EdgeGrpc::write(io::RequestToken call, std::string_view frames) {
    Open* const open = find(call);
    if (!open || open->ended) return io::WriteOutcome::kClosed;
    const io::WriteOutcome outcome = open->connection->write(call.sequence, frames);
    send(*open);
    return outcome;
}

void EdgeGrpc::end(io::RequestToken call, const grpc::CallStatus& status) {
    Open* const open = find(call);
    if (!open) return;
    open->connection->end(call.sequence, status);
    send(*open);
}

void EdgeGrpc::identified(io::RequestToken call, core::Result<identity::Principal>&& principal) {
    Open* const open = find(call);
    if (!open || open->ended) return;
    open->taking = true;
    open->connection->identified(call.sequence, std::move(principal));
    open->taking = false;
    next_look_ns_ = std::min(next_look_ns_, open->connection->due_ns());
    send(*open);
}

// As much as the connection takes; behind the last of it the connection ends.
void EdgeGrpc::send(Open& open) {
    if (open.full || open.ended || open.taking) return;
    const io::StreamToken token{open.connection->token()};
    for (;;) {
        if (open.out.empty()) open.connection->pull(open.out, kPullBytes);
        if (open.out.empty()) break;
        const io::WriteOutcome outcome = server_->stream_write(token, open.out);
        if (outcome == io::WriteOutcome::kFull) open.full = true;
        if (outcome != io::WriteOutcome::kOk) return;
        open.out.clear();
    }
    if (open.connection->over()) {
        open.ended = true;
        server_->end_stream(token);
        return;
    }
    // What its clients do not read may cost others their connections, or this one.
    (void)server_->keep_for_stream(token, open.connection->held_bytes());
}

std::size_t EdgeGrpc::do_work() {
    if (open_.empty()) return 0;
    const std::int64_t now_ns = context_.host.clock().monotonic_ns();
    if (now_ns < next_look_ns_) return 0;
    next_look_ns_ = std::numeric_limits<std::int64_t>::max();
    std::vector<io::RequestToken> tokens;
    for (const auto& [number, open] : open_) tokens.push_back(open.connection->token());
    for (const io::RequestToken token : tokens) {
        Open* const open = find(token);
        if (!open || open->ended) continue;
        next_look_ns_ = std::min(next_look_ns_, open->connection->look(now_ns));
        send(*open);
    }
    return 1;
}

std::int64_t EdgeGrpc::sleep_limit_us(std::int64_t timeout_us) const {
    constexpr std::int64_t kNsPerUs = 1000;
    if (open_.empty()) return timeout_us;
    const std::int64_t now_ns = context_.host.clock().monotonic_ns();
    // Rounded up, or it would be looked too early again and again.
    const std::int64_t left_us = (std::max<std::int64_t>(0, next_look_ns_ - now_ns)) / kNsPerUs + 1;
    return std::min(timeout_us, left_us);
}

}  // namespace millrace::runtime
