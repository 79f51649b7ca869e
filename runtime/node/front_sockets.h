// What: what stays open at a front where events live by their keys, and is no plain stream: events
//       over a WebSocket, GraphQL over WebSockets and Server-Sent Events; GraphQL's queries. A
//       server's own code (runtime/graphql, runtime/edge) over streams and calls of the front.
// Threads: the front's. Lifetime: the front's; the HTTP server outlives it.
// Limits: those of GraphqlStreams, EdgeSockets and FrontTail.
// Failure: told as a server tells it.
#pragma once

#include "io/http_server.h"
#include "runtime/api/api.h"
#include "runtime/edge/edge_sockets.h"
#include "runtime/graphql/graphql_streams.h"
#include "runtime/node/front_calls.h"
#include "runtime/node/front_tail.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace millrace::runtime::node {

inline constexpr std::string_view kGraphqlPath = "/v2/graphql";

class FrontSockets {
public:
    // A request that is answered here.
    struct Asked {
        io::RequestToken token;
        io::Method method = io::Method::kGet;
        std::string target;
        HeaderList headers;
        core::BufferRef body;
        CallerRef caller;
        identity::Principal principal;
    };
    FrontSockets(FrontCalls& calls, io::HttpServer& server);
    // Of a query and its variables, as a server has it.
    static std::size_t body_bytes_max();

    void open_events(Asked&& asked);
    void open_graphql(Asked&& asked);
    // The server's side.
    bool has(io::StreamToken stream) const { return callers_.contains(key_of(stream.request)); }
    void take(io::StreamToken stream, std::string_view bytes);
    void drained(io::StreamToken stream);
    void closed(io::StreamToken stream);
    void look(std::int64_t now_ns);
    // Something is due by the clock.
    bool waits() const { return !timers_.empty() || tail_.waits(); }

private:
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
    static Key key_of(io::RequestToken token) {
        return {token.connection, token.generation, token.sequence};
    }
    CallerRef caller_of(io::RequestToken token) const;
    bool shake_hands(const Asked& asked, const io::Request& request, std::string& accept);
    void respond(io::RequestToken token, const api::ApiResponse& response);
    bool begin(io::RequestToken token, std::string_view accept, std::string_view protocol);
    void end(io::RequestToken token);
    StreamEdge edge();
    graphql::GraphqlStreams::Deps graphql_deps();

    FrontCalls& calls_;
    io::HttpServer& server_;
    std::map<Key, CallerRef> callers_;
    EdgeSockets sockets_;
    std::multimap<std::int64_t, std::function<void()>> timers_;  // by when they are due
    FrontTail tail_;
    graphql::GraphqlStreams graphql_;
};

}  // namespace millrace::runtime::node
