#include "runtime/edge/edge_sockets.h"

#include "core/base64.h"
#include "core/crypto/sha1.h"
#include "core/listed.h"
#include "io/http_head.h"

namespace millrace::runtime {

namespace {

core::Status bad(std::string_view header, std::string_view what) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(header) + ": " + std::string(what))
            .in(std::string(header)));
}

bool has_token(std::string_view list, std::string_view token) {
    return !core::each_listed(
        list, [&](std::string_view item) { return !io::equals_ignore_case(item, token); });
}

}  // namespace

core::Status EdgeSockets::check_handshake(const io::Request& request) {
    constexpr std::size_t kKeyBytes = 24;  // 16 bytes in base64
    if (!has_token(request.header("Upgrade"), "websocket"))
        return bad("Upgrade", "must be websocket; the same events come from /v2/events/stream");
    if (!has_token(request.header("Connection"), "Upgrade"))
        return bad("Connection", "must name Upgrade");
    if (request.header("Sec-WebSocket-Version") != "13")
        return bad("Sec-WebSocket-Version", "must be 13");
    const std::string_view key = request.header("Sec-WebSocket-Key");
    if (key.size() != kKeyBytes || core::find_bad_base64(key) != std::string_view::npos)
        return bad("Sec-WebSocket-Key", "must be 16 bytes in base64");
    return {};
}

std::string EdgeSockets::accept_of(const io::Request& request) {
    constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
    const auto digest =
        core::crypto::sha1(std::string(request.header("Sec-WebSocket-Key")) + std::string(kGuid));
    std::string out;
    core::append_base64(out, {reinterpret_cast<const char*>(digest.data()), digest.size()});
    return out;
}

bool EdgeSockets::offers(const io::Request& request, std::string_view protocol) {
    return !core::each_listed(request.header("Sec-WebSocket-Protocol"),
                              [&](std::string_view item) { return item != protocol; });
}

void EdgeSockets::take_messages(io::StreamToken stream) {
    Client& client = clients_[key_of(stream)];
    client.decoder = io::WsDecoder(kMessageBytesMax);
    client.takes_messages = true;
}

EdgeSockets::Reply EdgeSockets::take(io::StreamToken stream, std::string_view bytes) {
    Reply reply;
    Client& client = clients_[key_of(stream)];
    const auto end = [&reply](const std::string& frame) {
        if (reply.ends) return;
        reply.bytes += frame;
        reply.ends = true;
    };
    client.decoder.feed(bytes, [&](io::WsOpcode opcode, std::string_view payload) {
        if (reply.ends || opcode == io::WsOpcode::kPong) return;
        if (opcode == io::WsOpcode::kPing)
            return io::append_ws_frame(reply.bytes, io::WsOpcode::kPong, payload);
        if (opcode == io::WsOpcode::kClose)
            return end(io::ws_close_frame(io::WsClose::kNormal, ""));
        if (client.takes_messages && opcode == io::WsOpcode::kText) {
            reply.messages.emplace_back(payload);
            return;
        }
        end(io::ws_close_frame(io::WsClose::kNotTaken,
                               client.takes_messages ? "only text is understood"
                                                     : "a stream of events takes no messages"));
    });
    if (client.decoder.fault() != io::WsClose::kNone)
        end(io::ws_close_frame(client.decoder.fault(), ""));
    reply.held_bytes = client.decoder.held_bytes();
    return reply;
}

}  // namespace millrace::runtime
