// What: GraphQL on connections that stay: operations over WebSockets, several on each, and one over
//       Server-Sent Events. Subscriptions are streams of EventTail that speak GraphQL; queries are
//       answered by whoever is given.
// Threads: the conductor's. Lifetime: borrows the tail and what Deps name; they outlive it.
// Limits: those of EventTail and of socket_protocol.h; kUnsentBytesMax that a client has not taken,
//       beyond which its connection is closed (4429), and unsent_bytes_max of all clients, beyond
//       which those with more than a tenth of it are; kInitUs until it says who it is (4408).
// Failure: told in the protocol's words: an operation's error, or a close code.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "runtime/graphql/request.h"
#include "runtime/graphql/socket_protocol.h"
#include "runtime/identity/principal.h"
#include "runtime/stream/stream_edge.h"
#include "runtime/stream/stream_source.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

namespace millrace::runtime::graphql {

using OperationRef = std::shared_ptr<const PreparedOperation>;
using Answered = std::function<void(std::string&& result)>;

// Where one connection is, and who has opened it.
struct GraphqlPeer {
    core::ShardId edge;
    io::RequestToken token;
    identity::Principal principal;
};

class GraphqlStreams {
public:
    using BeginSocket =
        std::function<void(const GraphqlPeer&, const std::string& accept, std::string_view protocol,
                           std::function<void(bool)> begun)>;
    struct Deps {
        const core::Clock* clock = nullptr;
        StreamSource* tail = nullptr;
        StreamEdge edge;
        BeginSocket begin_socket;
        // A query's result, {"data":...}; called once, perhaps later.
        std::function<void(const GraphqlPeer&, OperationRef, Answered)> answer;
        std::function<std::string(const core::JsonElement& event)> position_of;
        std::function<void(std::int64_t us, std::function<void()>)> run_after;
        std::size_t unsent_bytes_max = 64u << 20;
    };
    static constexpr std::int64_t kInitUs = 5'000'000;
    static constexpr std::size_t kUnsentBytesMax = 4u << 20;

    explicit GraphqlStreams(Deps deps) : deps_(std::move(deps)) {}

    // `protocol_offered`: the client knows kSocketProtocol.
    void open_socket(GraphqlPeer&& peer, const std::string& accept, bool protocol_offered);
    void open_events(GraphqlPeer&& peer, core::Result<GraphqlRequest>&& request,
                     std::string last_event_id);
    void message(core::ShardId edge, io::RequestToken token, std::string_view text);
    void closed(core::ShardId edge, io::RequestToken token);
    void drained(core::ShardId edge, io::RequestToken token);
    std::size_t connections() const { return connections_.size(); }

private:
    class SocketVoice;
    class EventsVoice;
    using Key = std::tuple<std::uint16_t, std::uint32_t, std::uint32_t, std::uint32_t>;
    // Its number tells it from an earlier one of the same id, whose answer may come late.
    struct Operation {
        std::uint64_t number = 0;
        std::uint64_t stream = 0;  // 0: a query
    };
    struct Connection {
        GraphqlPeer peer;
        SocketProtocol protocol;
        std::map<std::string, Operation> operations;  // by id
        std::uint64_t operations_begun = 0;
        bool has(const std::string& id, std::uint64_t number) const {
            const auto it = operations.find(id);
            return it != operations.end() && it->second.number == number;
        }
        std::string unsent;
        std::size_t counted_bytes = 0;  // of it, in the sum of all
        std::size_t writing_bytes = 0;
        bool is_socket = false;
        bool writing = false;
        bool full = false;  // and waits to be told that there is room
        bool ends = false;  // when all is sent
    };

    static Key key_of(core::ShardId edge, io::RequestToken token) {
        return {edge.value, token.connection, token.generation, token.sequence};
    }
    Connection* find(const Key& key);
    Connection& add(GraphqlPeer&& peer);
    void initialise(const Key& key, Connection& connection);
    void subscribe(const Key& key, Connection& connection, SocketTurn&& turn);
    void complete(Connection& connection, const std::string& id);
    void end_operation(const Key& key, const std::string& id);
    void fail_operation(const Key& key, const std::string& id, const core::Error& error,
                        std::string_view query);
    void answer_events(GraphqlPeer&& peer, std::string&& result);
    void send(const Key& key, Connection& connection, std::string_view text);
    void close(const Key& key, Connection& connection, SocketClose code, std::string_view why);
    void flush(const Key& key, Connection& connection);
    bool reads_too_little(const Connection& connection) const;
    void count_unsent(Connection& connection);
    void forget(std::map<Key, std::unique_ptr<Connection>>::iterator it);
    void written(const Key& key, io::WriteOutcome outcome);

    Deps deps_;
    std::map<Key, std::unique_ptr<Connection>> connections_;
    std::size_t unsent_bytes_ = 0;  // of all, as of each one's last flush
};

}  // namespace millrace::runtime::graphql
