#include "runtime/graphql/socket_protocol.h"

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <utility>

namespace millrace::runtime::graphql {
namespace {

SocketTurn closing(SocketClose code, std::string&& why) {
    return {SocketTurn::What::kClose, code, std::move(why), {}};
}

std::string message_of(std::string_view type, std::string_view id, std::string_view payload) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    if (!id.empty()) json.field("id", id);
    json.field("type", type);
    if (!payload.empty()) json.raw_field("payload", payload);
    json.end_object();
    return out;
}

}  // namespace

SocketTurn SocketProtocol::take(std::string_view message) {
    using What = SocketTurn::What;
    core::JsonDom dom;
    core::JsonElement root, member;
    std::string_view type, id;
    if (!dom.read(message, root) || !root.is_object() || !root.find("type", member) ||
        !member.get(type))
        return closing(SocketClose::kBadMessage, "Invalid message: an object with a type");
    std::string payload;
    const bool has_payload = root.find("payload", member) && !member.is_null();
    if (has_payload && !member.is_object())
        return closing(SocketClose::kBadMessage, "Invalid message: payload must be an object");
    if (has_payload) payload = member.raw();
    if (type == "connection_init") {
        if (std::exchange(initialised_, true))
            return closing(SocketClose::kTooMany, "Too many initialisation requests");
        return {What::kInit, {}, std::move(payload), {}};
    }
    if (type == "ping") return {What::kSend, {}, message_of("pong", {}, payload), {}};
    if (type == "pong") return {};
    if (type != "subscribe" && type != "complete") {
        return closing(SocketClose::kBadMessage,
                       "Invalid message type: " + std::string(type.substr(0, 64)));
    }
    if (!root.find("id", member) || !member.get(id) || id.empty() ||
        id.size() > kOperationIdBytesMax)
        return closing(SocketClose::kBadMessage, "Invalid message: id must be a short string");
    if (type == "subscribe") return subscribe(std::string(id), std::move(payload));
    ids_.erase(std::string(id));
    return {What::kComplete, {}, {}, std::string(id)};
}

SocketTurn SocketProtocol::subscribe(std::string&& id, std::string&& payload) {
    if (!initialised_) return closing(SocketClose::kUnauthorized, "Unauthorized");
    if (payload.empty())
        return closing(SocketClose::kBadMessage, "Invalid message: subscribe needs a payload");
    if (ids_.contains(id)) {
        return closing(SocketClose::kIdTaken,
                       "Subscriber for " + id.substr(0, 64) + " already exists");
    }
    if (ids_.size() >= kSocketOperationsMax)
        return {SocketTurn::What::kRefuse, {}, {}, std::move(id)};
    ids_.insert(id);
    return {SocketTurn::What::kSubscribe, {}, std::move(payload), std::move(id)};
}

std::string SocketProtocol::acknowledgement() { return message_of("connection_ack", {}, {}); }
std::string SocketProtocol::next(std::string_view id, std::string_view result) {
    return message_of("next", id, result);
}
std::string SocketProtocol::error(std::string_view id, std::string_view errors) {
    return message_of("error", id, errors);
}
std::string SocketProtocol::complete(std::string_view id) { return message_of("complete", id, {}); }

}  // namespace millrace::runtime::graphql
