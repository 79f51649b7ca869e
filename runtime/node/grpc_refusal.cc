#include "runtime/node/grpc_refusal.h"

#include "runtime/grpc/status.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kPullBytes = 16u << 10;

}  // namespace

class GrpcRefusal::Session final : public io::Http2Handler {
public:
    Session(io::StreamToken connection, std::int64_t now_ns)
        : token(connection), began_ns(now_ns), session(*this, limits(), counters_) {}

    void on_request(std::uint32_t stream, io::Http2Request&& /*request*/) override {
        static const std::string message = grpc::encode_message(
            "a cluster speaks no gRPC: send events to POST /v2/events of any node, and read "
            "GET /v2/events/stream");
        static const std::string code = std::to_string(int(grpc::Code::kUnimplemented));
        const std::array<io::HeaderField, 4> answer = {{{":status", "200"},
                                                        {"content-type", "application/grpc"},
                                                        {"grpc-status", code},
                                                        {"grpc-message", message}}};
        session.end(stream, answer);
        session.go_away(io::Http2Error::kNone, "no gRPC here");
    }
    void on_data(std::uint32_t stream, std::string_view bytes) override {
        session.give_room(stream, bytes.size());
    }
    void on_end(std::uint32_t /*stream*/) override {}
    void on_room(std::uint32_t /*stream*/) override {}
    void on_closed(std::uint32_t /*stream*/) override {}

    const io::StreamToken token;
    const std::int64_t began_ns;

private:
    static io::Http2Limits limits() {
        io::Http2Limits out;
        out.streams_max = 16;
        return out;
    }
    io::Http2Counters counters_;

public:
    io::Http2Session session;
};

void GrpcRefusal::open(io::StreamToken connection, std::int64_t now_ns) {
    open_[connection.request.connection] = std::make_shared<Session>(connection, now_ns);
}

bool GrpcRefusal::has(io::StreamToken connection) const {
    const auto found = open_.find(connection.request.connection);
    return found != open_.end() && found->second->token == connection;
}

void GrpcRefusal::take(io::StreamToken connection, std::string_view bytes, std::int64_t now_ns) {
    const auto found = open_.find(connection.request.connection);
    if (found == open_.end()) return;
    // What the server says while it is written to may end the connection.
    const std::shared_ptr<Session> one = found->second;
    const bool goes_on = one->session.take(bytes, now_ns);
    std::string out;
    one->session.pull(out, kPullBytes);
    const bool taken =
        out.empty() || server_->stream_write(connection, out) == io::WriteOutcome::kOk;
    if (goes_on && taken && !one->session.over()) return;
    open_.erase(connection.request.connection);
    server_->end_stream(connection);
}

void GrpcRefusal::look(std::int64_t now_ns) {
    std::vector<io::StreamToken> silent;
    for (const auto& [number, one] : open_) {
        if (now_ns - one->began_ns >= kSilentNs) silent.push_back(one->token);
    }
    for (const io::StreamToken token : silent) {
        open_.erase(token.request.connection);
        server_->end_stream(token);
    }
}

}  // namespace millrace::runtime::node
