#include "runtime/node/front_sockets.h"

#include "io/web_socket.h"
#include "runtime/api/call.h"
#include "runtime/api/graphql.h"
#include "runtime/api/query_check.h"
#include "runtime/api/routes.h"
#include "runtime/node/front_queries.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

constexpr core::ShardId kHere{0};  // a front has one thread

// Its texts are the asked one's, and `fields`'.
io::Request request_of(const FrontSockets::Asked& asked, std::vector<io::HeaderField>& fields) {
    for (const auto& [name, value] : asked.headers) fields.push_back({name, value});
    io::Request request;
    request.token = asked.token;
    request.method = asked.method;
    request.target = asked.target;
    const std::size_t mark = request.target.find('?');
    request.path = request.target.substr(0, mark);
    if (mark != std::string_view::npos) request.query = request.target.substr(mark + 1);
    request.headers = fields;
    request.content_type = request.header("Content-Type");
    request.body = asked.body;
    return request;
}

}  // namespace

FrontSockets::FrontSockets(FrontCalls& calls, io::HttpServer& server)
    : calls_(calls),
      server_(server),
      tail_(
          {.calls = &calls,
           .caller = [this](io::RequestToken token) { return caller_of(token); },
           .begin =
               [this](const StreamRequest& request) {
                   return begin(request.token, request.accept, {});
               },
           .refuse =
               [this](const StreamRequest& request, const core::Error& error) {
                   server_.respond_error(request.token, error);
                   callers_.erase(key_of(request.token));
               },
           .write = [this](io::RequestToken token,
                           std::string_view bytes) { return server_.stream_write({token}, bytes); },
           .end = [this](io::RequestToken token) { end(token); }}),
      graphql_(graphql_deps()) {}

std::size_t FrontSockets::body_bytes_max() {
    const auto routes = api::route_table();
    const auto found = std::find_if(routes.begin(), routes.end(), [](const api::Route& route) {
        return route.id == api::RouteId::kPostGraphql;
    });
    return found->body.most;
}

CallerRef FrontSockets::caller_of(io::RequestToken token) const {
    const auto found = callers_.find(key_of(token));
    return found == callers_.end() ? CallerRef() : found->second;
}

// What these say comes back when nothing else is on the stack, as it would from another thread.
StreamEdge FrontSockets::edge() {
    StreamEdge edge;
    edge.begin = [this](core::ShardId /*here*/, io::RequestToken token, const std::string& accept,
                        std::function<void(bool)> begun) {
        const bool ok = begin(token, accept, {});
        calls_.later([begun = std::move(begun), ok] { begun(ok); });
    };
    edge.write = [this](core::ShardId /*here*/, io::RequestToken token, const std::string& bytes,
                        std::function<void(io::WriteOutcome)> written) {
        const io::WriteOutcome outcome = server_.stream_write({token}, bytes);
        calls_.later([written = std::move(written), outcome] { written(outcome); });
    };
    edge.refuse = [this](core::ShardId /*here*/, io::RequestToken token, const core::Error& error) {
        server_.respond_error(token, error);
        callers_.erase(key_of(token));
    };
    edge.end = [this](core::ShardId /*here*/, io::RequestToken token) { end(token); };
    return edge;
}

graphql::GraphqlStreams::Deps FrontSockets::graphql_deps() {
    graphql::GraphqlStreams::Deps deps;
    deps.clock = &calls_.clock();
    deps.tail = &tail_;
    deps.edge = edge();
    deps.begin_socket = [this](const graphql::GraphqlPeer& peer, const std::string& accept,
                               std::string_view protocol, std::function<void(bool)> begun) {
        const bool ok = begin(peer.token, accept, protocol);
        calls_.later([begun = std::move(begun), ok] { begun(ok); });
    };
    deps.answer = [this](const graphql::GraphqlPeer& peer, graphql::OperationRef operation,
                         graphql::Answered done) {
        graphql::answer_query(std::make_shared<FrontQueries>(calls_, caller_of(peer.token)),
                              peer.principal, std::move(operation), std::move(done));
    };
    deps.position_of = [this](const core::JsonElement& event) {
        return FrontQueries::position_behind(event, calls_.partitions());
    };
    deps.run_after = [this](std::int64_t us, std::function<void()> work) {
        constexpr std::int64_t kNsPerUs = 1000;
        timers_.emplace(calls_.clock().monotonic_ns() + us * kNsPerUs, std::move(work));
    };
    return deps;
}

// ---- what is asked

bool FrontSockets::shake_hands(const Asked& asked, const io::Request& request,
                               std::string& accept) {
    if (auto fits = EdgeSockets::check_handshake(request); !fits) {
        api::ApiResponse refusal = api::error_response(fits.error());
        refusal.headers.emplace_back("Sec-WebSocket-Version", "13");
        respond(asked.token, refusal);
        return false;
    }
    accept = EdgeSockets::accept_of(request);
    return true;
}

void FrontSockets::open_events(Asked&& asked) {
    std::vector<io::HeaderField> fields;
    const io::Request request = request_of(asked, fields);
    StreamRequest stream;
    if (!shake_hands(asked, request, stream.accept)) return;
    stream.edge = kHere;
    stream.token = asked.token;
    stream.principal = asked.principal;
    stream.pattern = api::query_value(request.query, "pattern").value_or("");
    stream.pattern_prefix = api::query_value(request.query, "patternPrefix").value_or("");
    stream.filter = api::query_value(request.query, "filter").value_or("");
    stream.from = api::query_value(request.query, "from").value_or("");
    stream.last_event_id = request.header("Last-Event-ID");
    callers_[key_of(asked.token)] = asked.caller;
    tail_.open(std::move(stream));
}

void FrontSockets::open_graphql(Asked&& asked) {
    // As its route; each field asks for its own beside.
    if (auto may = asked.principal.require(identity::Scope::kApiRead); !may) {
        server_.respond_error(asked.token, may.error());
        return;
    }
    std::vector<io::HeaderField> fields;
    const io::Request request = request_of(asked, fields);
    const graphql::GraphqlPeer peer{kHere, asked.token, asked.principal};
    if (asked.method == io::Method::kGet && !request.header("Upgrade").empty()) {
        std::string accept;
        if (!shake_hands(asked, request, accept)) return;
        sockets_.take_messages({asked.token});
        callers_[key_of(asked.token)] = asked.caller;
        return graphql_.open_socket(graphql::GraphqlPeer(peer), accept,
                                    EdgeSockets::offers(request, graphql::kSocketProtocol));
    }
    if (request.header("Accept").find("text/event-stream") != std::string_view::npos) {
        callers_[key_of(asked.token)] = asked.caller;
        return graphql_.open_events(graphql::GraphqlPeer(peer),
                                    api::graphql_request_of(asked.method, request.content_type,
                                                            request.query, request.body_view()),
                                    std::string(request.header("Last-Event-ID")));
    }
    api::query_graphql_over(
        {asked.method, request.content_type, request.header("Accept"), request.query,
         request.body_view()},
        [this, &asked](std::shared_ptr<const graphql::PreparedOperation> operation,
                       std::function<void(std::string &&)> done) {
            graphql::answer_query(std::make_shared<FrontQueries>(calls_, asked.caller),
                                  asked.principal, std::move(operation), std::move(done));
        },
        [this, token = asked.token](const api::ApiResponse& response) {
            respond(token, response);
        });
}

// ---- the server's side

void FrontSockets::take(io::StreamToken stream, std::string_view bytes) {
    EdgeSockets::Reply reply = sockets_.take(stream, bytes);
    for (const std::string& message : reply.messages)
        graphql_.message(kHere, stream.request, message);
    if (!server_.keep_for_stream(stream, reply.ends ? 0 : reply.held_bytes) && !reply.ends) {
        reply.bytes += io::ws_close_frame(io::WsClose::kTryLater,
                                          "what clients keep waiting takes all its room");
        reply.ends = true;
    }
    if (!reply.bytes.empty()) (void)server_.stream_write(stream, reply.bytes);
    if (!reply.ends) return;
    server_.end_stream(stream);
    closed(stream);
}

void FrontSockets::drained(io::StreamToken stream) {
    tail_.drained(stream.request);
    graphql_.drained(kHere, stream.request);
}

void FrontSockets::closed(io::StreamToken stream) {
    sockets_.forget(stream);
    tail_.closed(stream.request);
    graphql_.closed(kHere, stream.request);
    callers_.erase(key_of(stream.request));
}

void FrontSockets::look(std::int64_t now_ns) {
    tail_.look(now_ns);
    while (!timers_.empty() && timers_.begin()->first <= now_ns) {
        const auto work = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        work();
    }
}

void FrontSockets::respond(io::RequestToken token, const api::ApiResponse& response) {
    std::vector<io::HeaderField> headers;
    for (const auto& [name, value] : response.headers) headers.push_back({name, value});
    server_.respond(
        token,
        {.status = response.status, .content_type = response.content_type, .headers = headers},
        response.text());
}

bool FrontSockets::begin(io::RequestToken token, std::string_view accept,
                         std::string_view protocol) {
    if (accept.empty()) {
        static constexpr io::HeaderField kHeaders[] = {{"Cache-Control", "no-cache"},
                                                       {"X-Accel-Buffering", "no"}};
        const io::ResponseHead head{
            .status = 200, .content_type = "text/event-stream", .headers = kHeaders};
        if (server_.start_stream(token, head)) return true;
    } else {
        std::vector<io::HeaderField> headers = {
            {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}};
        if (!protocol.empty()) headers.push_back({"Sec-WebSocket-Protocol", protocol});
        const io::ResponseHead head{.status = 101, .content_type = {}, .headers = headers};
        const auto begun = server_.start_upgrade(
            token, head,
            io::ws_close_frame(io::WsClose::kGoingAway, "the server is shutting down"));
        if (begun) return true;
    }
    callers_.erase(key_of(token));
    sockets_.forget(io::StreamToken{token});
    return false;
}

void FrontSockets::end(io::RequestToken token) {
    server_.end_stream({token});
    sockets_.forget(io::StreamToken{token});
    callers_.erase(key_of(token));
}

}  // namespace millrace::runtime::node
