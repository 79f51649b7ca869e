#include "runtime/graphql/graphql_streams.h"

#include "io/web_socket.h"
#include "runtime/graphql/subscription.h"

#include <utility>

namespace millrace::runtime::graphql {
namespace {

constexpr std::size_t kResultKept = 16u << 10;  // of a stream, for its next event

// [{...}] of one error.
std::string errors_of(const core::Error& error, std::string_view query) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_array();
    append_error(json, error, query);
    json.end_array();
    return out;
}

// Clients know a stream's `from` as `after`.
core::Error in_graphql_words(core::Error error) {
    if (error.field == "from") error.field = "after";
    return error;
}

core::Error too_many() {
    return core::Error(core::ErrorCode::kRateLimited,
                       "there are " + std::to_string(kSocketOperationsMax) +
                           " operations on this connection, which is the limit: end one first")
        .bound(static_cast<std::int64_t>(kSocketOperationsMax));
}

void append_text_frame(std::string& out, std::string_view text) {
    io::append_ws_frame(out, io::WsOpcode::kText, text);
}

// An event of graphql-sse's distinct connections mode; `data` is JSON without line ends.
void append_event_of(std::string& out, std::string_view name, std::string_view position,
                     std::string_view data) {
    (out += "event: ").append(name) += '\n';
    if (!position.empty()) (out += "id: ").append(position) += '\n';
    const std::size_t begin = (out += "data: ").size();
    out += data;
    // A sender's own text may hold line ends between its tokens.
    for (std::size_t i = begin; i < out.size(); ++i) {
        if (out[i] == '\n' || out[i] == '\r') out[i] = ' ';
    }
    out += "\n\n";
}

}  // namespace

// One operation of a WebSocket.
class GraphqlStreams::SocketVoice final : public StreamVoice {
public:
    SocketVoice(GraphqlStreams& owner, const Key& key, const std::string& id, std::uint64_t number,
                OperationRef operation)
        : owner_(owner), key_(key), id_(id), number_(number), operation_(std::move(operation)) {}

    void tell(std::string& out, std::string_view position, std::string_view data) override {
        result_.clear();
        const ResultContext context{position, owner_.deps_.position_of};
        if (append_told(result_, *operation_, data, context))
            append_text_frame(out, SocketProtocol::next(id_, result_));
        if (result_.capacity() > kResultKept) result_ = {};
    }
    void reset(std::string& out, std::string_view /*position*/, std::string_view data) override {
        result_.clear();
        append_reset_told(result_, data);
        append_text_frame(out, SocketProtocol::next(id_, result_));
    }
    void fail(std::string& out, const core::Error& error, std::string_view /*position*/) override {
        append_text_frame(out, SocketProtocol::error(id_, errors_of(error, {})));
        lost_right_ = error.code == core::ErrorCode::kUnauthorized ||
                      error.code == core::ErrorCode::kForbidden;
    }
    void keep_alive(std::string& out) override {
        io::append_ws_frame(out, io::WsOpcode::kPing, {});
    }
    void refused(core::Error&& error) override {
        if (is_current()) owner_.fail_operation(key_, id_, in_graphql_words(std::move(error)), {});
    }
    void ended() override {
        if (!is_current()) return;
        owner_.end_operation(key_, id_);
        // What the key may not see on this connection it may see in no other operation of it.
        if (!lost_right_) return;
        if (Connection* const connection = owner_.find(key_); connection && !connection->ends)
            owner_.close(key_, *connection, SocketClose::kForbidden, "Forbidden");
    }

private:
    bool is_current() const {
        const Connection* const connection = owner_.find(key_);
        return connection && connection->has(id_, number_);
    }

    GraphqlStreams& owner_;
    const Key key_;
    const std::string id_;
    const std::uint64_t number_;
    const OperationRef operation_;
    std::string result_;
    bool lost_right_ = false;
};

// The one operation of a request that asked for Server-Sent Events.
class GraphqlStreams::EventsVoice final : public StreamVoice {
public:
    EventsVoice(GraphqlStreams& owner, const GraphqlPeer& peer, OperationRef operation)
        : owner_(owner), peer_(peer), operation_(std::move(operation)) {}

    void tell(std::string& out, std::string_view position, std::string_view data) override {
        result_.clear();
        const ResultContext context{position, owner_.deps_.position_of};
        if (append_told(result_, *operation_, data, context))
            append_event_of(out, "next", position, result_);
        if (result_.capacity() > kResultKept) result_ = {};
    }
    void reset(std::string& out, std::string_view position, std::string_view data) override {
        result_.clear();
        append_reset_told(result_, data);
        append_event_of(out, "next", position, result_);
    }
    void fail(std::string& out, const core::Error& error, std::string_view /*position*/) override {
        append_event_of(out, "next", {}, errors_document(error, {}));
        append_event_of(out, "complete", {}, {});
    }
    void keep_alive(std::string& out) override { out += ":\n\n"; }
    void refused(core::Error&& error) override {
        owner_.answer_events(GraphqlPeer(peer_),
                             errors_document(in_graphql_words(std::move(error)), {}));
    }
    void ended() override {}

private:
    GraphqlStreams& owner_;
    const GraphqlPeer peer_;
    const OperationRef operation_;
    std::string result_;
};

GraphqlStreams::Connection* GraphqlStreams::find(const Key& key) {
    const auto it = connections_.find(key);
    return it == connections_.end() ? nullptr : it->second.get();
}

GraphqlStreams::Connection& GraphqlStreams::add(GraphqlPeer&& peer) {
    const Key key = key_of(peer.edge, peer.token);
    auto& connection = connections_[key];
    connection = std::make_unique<Connection>();
    connection->peer = std::move(peer);
    connection->writing = true;  // until it has begun
    return *connection;
}

// ---- WebSockets

void GraphqlStreams::open_socket(GraphqlPeer&& peer, const std::string& accept,
                                 bool protocol_offered) {
    const Key key = key_of(peer.edge, peer.token);
    Connection& connection = add(std::move(peer));
    connection.is_socket = true;
    deps_.begin_socket(connection.peer, accept, protocol_offered ? kSocketProtocol : "",
                       [this, key, protocol_offered](bool begun) {
                           Connection* const open = find(key);
                           if (!open) return;
                           if (!begun) {
                               forget(connections_.find(key));
                               return;
                           }
                           open->writing = false;
                           if (!protocol_offered) {
                               return close(key, *open, SocketClose::kProtocolNotTaken,
                                            "Subprotocol not acceptable");
                           }
                           flush(key, *open);
                       });
    if (!protocol_offered) return;
    deps_.run_after(kInitUs, [this, key] {
        Connection* const open = find(key);
        if (open && !open->protocol.initialised())
            close(key, *open, SocketClose::kInitTimeout, "Connection initialisation timeout");
    });
}

void GraphqlStreams::message(core::ShardId edge, io::RequestToken token, std::string_view text) {
    const Key key = key_of(edge, token);
    Connection* const connection = find(key);
    if (!connection || connection->ends) return;
    if (reads_too_little(*connection))
        return close(key, *connection, SocketClose::kTooMany, "What was sent is not read");
    SocketTurn turn = connection->protocol.take(text);
    switch (turn.what) {
        case SocketTurn::What::kNothing: return;
        case SocketTurn::What::kInit: return initialise(key, *connection);
        case SocketTurn::What::kSend: return send(key, *connection, turn.text);
        case SocketTurn::What::kClose: return close(key, *connection, turn.code, turn.text);
        case SocketTurn::What::kSubscribe: return subscribe(key, *connection, std::move(turn));
        case SocketTurn::What::kRefuse:
            return send(key, *connection,
                        SocketProtocol::error(turn.id, errors_of(too_many(), {})));
        case SocketTurn::What::kComplete: return complete(*connection, turn.id);
    }
}

// Who it is the handshake has said; that may have changed since.
void GraphqlStreams::initialise(const Key& key, Connection& connection) {
    const auto holds = connection.peer.principal.still_holds(deps_.clock->wall_us());
    if (!holds) return close(key, connection, SocketClose::kForbidden, "Forbidden");
    send(key, connection, SocketProtocol::acknowledgement());
}

void GraphqlStreams::subscribe(const Key& key, Connection& connection, SocketTurn&& turn) {
    if (auto holds = connection.peer.principal.still_holds(deps_.clock->wall_us()); !holds)
        return close(key, connection, SocketClose::kForbidden, "Forbidden");
    auto request = read_request(turn.text);
    if (!request) {
        return close(key, connection, SocketClose::kBadMessage,
                     "Invalid message: " + request.error().message);
    }
    const std::string query = request->query;
    auto prepared = PreparedOperation::make(std::move(*request));
    if (!prepared) return fail_operation(key, turn.id, prepared.error(), query);
    const OperationRef operation(std::move(*prepared));
    const std::uint64_t begun = ++connection.operations_begun;
    connection.operations[turn.id] = {.number = begun};
    if (!operation->is_subscription()) {
        const auto answered = [this, key, id = turn.id, begun](std::string&& result) {
            Connection* const open = find(key);
            if (!open || open->ends || !open->has(id, begun)) return;
            std::string frames;
            append_text_frame(frames, SocketProtocol::next(id, result));
            append_text_frame(frames, SocketProtocol::complete(id));
            open->unsent += frames;
            end_operation(key, id);
            flush(key, *open);
        };
        return deps_.answer(connection.peer, operation, answered);
    }
    StreamRequest stream;
    stream.edge = connection.peer.edge;
    stream.token = connection.peer.token;
    stream.principal = connection.peer.principal;
    stream.joined = true;
    if (auto may = follow(*operation, stream); !may)
        return fail_operation(key, turn.id, may.error(), {});
    stream.voice = std::make_shared<SocketVoice>(*this, key, turn.id, begun, operation);
    const std::uint64_t number = deps_.tail->open(std::move(stream));
    if (number != 0) connection.operations[turn.id] = {.number = begun, .stream = number};
}

void GraphqlStreams::complete(Connection& connection, const std::string& id) {
    const auto it = connection.operations.find(id);
    if (it == connection.operations.end()) return;
    if (it->second.stream != 0) deps_.tail->stop(it->second.stream);
    connection.operations.erase(it);
}

void GraphqlStreams::end_operation(const Key& key, const std::string& id) {
    Connection* const connection = find(key);
    if (!connection) return;
    connection->operations.erase(id);
    connection->protocol.ended(id);
}

void GraphqlStreams::fail_operation(const Key& key, const std::string& id, const core::Error& error,
                                    std::string_view query) {
    Connection* const connection = find(key);
    if (!connection) return;
    end_operation(key, id);
    send(key, *connection, SocketProtocol::error(id, errors_of(error, query)));
}

// ---- Server-Sent Events

void GraphqlStreams::open_events(GraphqlPeer&& peer, core::Result<GraphqlRequest>&& request,
                                 std::string last_event_id) {
    if (!request) return deps_.edge.refuse(peer.edge, peer.token, std::move(request.error()));
    const std::string query = request->query;
    auto prepared = PreparedOperation::make(std::move(*request));
    if (!prepared) return answer_events(std::move(peer), errors_document(prepared.error(), query));
    const OperationRef operation(std::move(*prepared));
    if (!operation->is_subscription()) {
        const auto shared = std::make_shared<GraphqlPeer>(std::move(peer));
        return deps_.answer(*shared, operation, [this, shared](std::string&& result) {
            answer_events(std::move(*shared), std::move(result));
        });
    }
    StreamRequest stream;
    stream.edge = peer.edge;
    stream.token = peer.token;
    stream.principal = peer.principal;
    stream.last_event_id = std::move(last_event_id);
    if (auto may = follow(*operation, stream); !may)
        return answer_events(std::move(peer), errors_document(may.error(), {}));
    stream.voice = std::make_shared<EventsVoice>(*this, peer, operation);
    deps_.tail->open(std::move(stream));
}

// One result, and the end.
void GraphqlStreams::answer_events(GraphqlPeer&& peer, std::string&& result) {
    const Key key = key_of(peer.edge, peer.token);
    Connection& connection = add(std::move(peer));
    append_event_of(connection.unsent, "next", {}, result);
    append_event_of(connection.unsent, "complete", {}, {});
    connection.ends = true;
    deps_.edge.begin(connection.peer.edge, connection.peer.token, "", [this, key](bool begun) {
        Connection* const open = find(key);
        if (!open) return;
        open->writing = false;
        if (begun) return flush(key, *open);
        forget(connections_.find(key));
    });
}

// ---- what is sent

void GraphqlStreams::send(const Key& key, Connection& connection, std::string_view text) {
    append_text_frame(connection.unsent, text);
    flush(key, connection);
}

// Its streams end here; what was said before the close is still sent.
void GraphqlStreams::close(const Key& key, Connection& connection, SocketClose code,
                           std::string_view why) {
    for (const auto& [id, operation] : connection.operations) {
        if (operation.stream != 0) deps_.tail->stop(operation.stream);
    }
    connection.operations.clear();
    // A reason may be cut, and hold what the client has sent: no character of it has two bytes.
    std::string reason(why);
    for (char& c : reason) {
        if (c < ' ' || c > '~') c = '?';
    }
    connection.unsent += io::ws_close_frame(static_cast<io::WsClose>(code), reason);
    connection.ends = true;
    flush(key, connection);
}

bool GraphqlStreams::reads_too_little(const Connection& connection) const {
    const std::size_t own = connection.unsent.size();
    return own > kUnsentBytesMax ||
           (unsent_bytes_ > deps_.unsent_bytes_max && own > deps_.unsent_bytes_max / 10);
}

void GraphqlStreams::count_unsent(Connection& connection) {
    unsent_bytes_ += connection.unsent.size() - connection.counted_bytes;
    connection.counted_bytes = connection.unsent.size();
}

void GraphqlStreams::forget(std::map<Key, std::unique_ptr<Connection>>::iterator it) {
    unsent_bytes_ -= it->second->counted_bytes;
    connections_.erase(it);
}

void GraphqlStreams::flush(const Key& key, Connection& connection) {
    count_unsent(connection);
    if (connection.writing || connection.unsent.empty()) return;
    connection.writing = true;
    connection.writing_bytes = connection.unsent.size();
    deps_.edge.write(connection.peer.edge, connection.peer.token, connection.unsent,
                     [this, key](io::WriteOutcome outcome) { written(key, outcome); });
}

void GraphqlStreams::written(const Key& key, io::WriteOutcome outcome) {
    Connection* const connection = find(key);
    if (!connection) return;
    connection->full = outcome == io::WriteOutcome::kFull;
    if (connection->full) return;  // drained() follows
    if (outcome == io::WriteOutcome::kClosed)
        return closed(connection->peer.edge, connection->peer.token);
    connection->writing = false;
    connection->unsent.erase(0, std::exchange(connection->writing_bytes, 0));
    if (connection->unsent.empty()) connection->unsent = {};  // most rest most of the time
    if (!connection->unsent.empty()) return flush(key, *connection);
    count_unsent(*connection);
    if (!connection->ends) return;
    deps_.edge.end(connection->peer.edge, connection->peer.token);
    forget(connections_.find(key));
}

void GraphqlStreams::drained(core::ShardId edge, io::RequestToken token) {
    const Key key = key_of(edge, token);
    Connection* const connection = find(key);
    // One of its streams may have been full, while this write is still on its way.
    if (!connection || !std::exchange(connection->full, false)) return;
    connection->writing = false;
    flush(key, *connection);
}

void GraphqlStreams::closed(core::ShardId edge, io::RequestToken token) {
    const auto it = connections_.find(key_of(edge, token));
    if (it == connections_.end()) return;
    for (const auto& [id, operation] : it->second->operations) {
        if (operation.stream != 0) deps_.tail->stop(operation.stream);
    }
    forget(it);
}

}  // namespace millrace::runtime::graphql
