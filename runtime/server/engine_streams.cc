// Streams of EngineServices: what a shard asks for, on the conductor, and what the streams say to
// the connections, back on the shard that has them.
#include "io/web_socket.h"
#include "runtime/api/dead_letter_view.h"
#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/graphql.h"
#include "runtime/api/list_places.h"
#include "runtime/api/query_check.h"
#include "runtime/delivery/delivery_tracker.h"
#include "runtime/edge/edge_sockets.h"
#include "runtime/edge/followed_stream.h"
#include "runtime/server/engine_services.h"

#include <utility>

namespace millrace::runtime {

void EngineServices::open_stream(core::ShardId shard, const io::Request& request,
                                 api::RouteId route, const identity::Principal& principal,
                                 std::string accept) {
    if (route == api::RouteId::kStreamStats) return open_stats(shard, request, principal);
    if (route != api::RouteId::kStreamEvents && route != api::RouteId::kSocketEvents)
        return open_graphql(shard, request, principal, std::move(accept));
    auto stream = std::make_shared<StreamRequest>();
    stream->accept = std::move(accept);
    stream->edge = shard;
    stream->token = request.token;
    stream->principal = principal;
    stream->pattern = api::query_value(request.query, "pattern").value_or("");
    stream->pattern_prefix = api::query_value(request.query, "patternPrefix").value_or("");
    stream->filter = api::query_value(request.query, "filter").value_or("");
    stream->from = api::query_value(request.query, "from").value_or("");
    stream->last_event_id = request.header("Last-Event-ID");
    stream->places = !request.header(api::kPlacesHeader).empty();
    // The gate has held its scope against whoever asks.
    if (route == api::RouteId::kStreamEvents) stream->kind = followed_stream(request, deps_.front);
    streams_open_.store(true, std::memory_order_relaxed);
    if (!deps_.conductor->post([this, stream] { tail_->open(std::move(*stream)); }))
        shards_[shard.value]->http().respond_error(request.token, too_many_wait());
}

void EngineServices::open_graphql(core::ShardId shard, const io::Request& request,
                                  const identity::Principal& principal, std::string accept) {
    std::function<void()> open;
    const graphql::GraphqlPeer peer{shard, request.token, principal};
    if (!accept.empty()) {
        const bool offered = EdgeSockets::offers(request, graphql::kSocketProtocol);
        open = [this, peer, offered, accept = std::move(accept)] {
            graphql_->open_socket(graphql::GraphqlPeer(peer), accept, offered);
        };
    } else {
        auto asked =
            std::make_shared<core::Result<graphql::GraphqlRequest>>(api::graphql_request_of(
                request.method, request.content_type, request.query, request.body_view()));
        open = [this, peer, asked, last = std::string(request.header("Last-Event-ID"))] {
            graphql_->open_events(graphql::GraphqlPeer(peer), std::move(*asked), last);
        };
    }
    if (!deps_.conductor->post(open))
        shards_[shard.value]->http().respond_error(request.token, too_many_wait());
}

bool EngineServices::stream_message(core::ShardId shard, io::StreamToken stream,
                                    std::string&& text) {
    // relaxed: a bound; no data behind it
    const std::size_t bytes = text.size();
    const auto spent = [this, bytes] {
        message_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
        return false;
    };
    if (message_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes >
        deps_.stream_bounds.message_bytes)
        return spent();
    const bool taken =
        deps_.conductor->post([this, shard, token = stream.request, text = std::move(text), spent] {
            spent();
            graphql_->message(shard, token, text);
        });
    return taken || spent();
}

bool EngineServices::open_subscription(core::ShardId shard, io::RequestToken call,
                                       const identity::Principal& principal,
                                       grpc::SubscribeAsk&& ask) {
    const auto asked = std::make_shared<grpc::SubscribeAsk>(std::move(ask));
    streams_open_.store(true, std::memory_order_relaxed);
    return deps_.conductor->post([this, shard, call, principal, asked] {
        grpc_->open(shard, call, principal, std::move(*asked));
    });
}

// Figures are of the whole server.
void EngineServices::open_stats(core::ShardId shard, const io::Request& request,
                                const identity::Principal& principal) {
    io::HttpServer& http = shards_[shard.value]->http();
    if (principal.tenant != kPlatform) {
        http.respond_error(request.token,
                           core::Error(core::ErrorCode::kForbidden,
                                       "figures of the whole server are the platform's"));
        return;
    }
    const auto open = [this, shard, token = request.token, principal] {
        stats_tail_->open(shard, token, principal);
    };
    if (!deps_.conductor->post(open)) http.respond_error(request.token, too_many_wait());
}

void EngineServices::stream_drained(core::ShardId shard, io::StreamToken stream) {
    deps_.conductor->post_answer([this, shard, stream] {
        tail_->drained(shard, stream.request);
        graphql_->drained(shard, stream.request);
        stats_tail_->drained(shard, stream.request);
    });
}

void EngineServices::stream_closed(core::ShardId shard, io::StreamToken stream) {
    deps_.conductor->post_answer([this, shard, stream] {
        tail_->closed(shard, stream.request);
        graphql_->closed(shard, stream.request);
        stats_tail_->closed(shard, stream.request);
    });
}

namespace {

bool begin_stream(io::HttpServer& http, io::RequestToken token) {
    static constexpr io::HeaderField kHeaders[] = {{"Cache-Control", "no-cache"},
                                                   {"X-Accel-Buffering", "no"}};
    return http
        .start_stream(token,
                      {.status = 200, .content_type = "text/event-stream", .headers = kHeaders})
        .has_value();
}

bool begin_socket(io::HttpServer& http, io::RequestToken token, std::string_view accept,
                  std::string_view protocol) {
    std::vector<io::HeaderField> headers = {
        {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}};
    if (!protocol.empty()) headers.push_back({"Sec-WebSocket-Protocol", protocol});
    return http
        .start_upgrade(token, {.status = 101, .content_type = {}, .headers = headers},
                       io::ws_close_frame(io::WsClose::kGoingAway, "the server is shutting down"))
        .has_value();
}

}  // namespace

// Both kinds of streams, the same way.
StreamEdge EngineServices::stream_edge() {
    StreamEdge edge;
    edge.begin = [this](core::ShardId shard, io::RequestToken token, const std::string& accept,
                        std::function<void(bool)> begun) {
        begin_events(shard, token, accept, {}, std::move(begun));
    };
    edge.write = [this](core::ShardId shard, io::RequestToken token, std::string bytes,
                        std::function<void(io::WriteOutcome)> written) {
        write_events(shard, token, std::move(bytes), std::move(written));
    };
    edge.refuse = [this](core::ShardId shard, io::RequestToken token, core::Error error) {
        refuse_events(shard, token, std::move(error));
    };
    edge.end = [this](core::ShardId shard, io::RequestToken token) { end_events(shard, token); };
    return edge;
}

void EngineServices::make_tail() {
    EventTail::Deps deps;
    deps.clock = deps_.clock;
    deps.database = deps_.database;
    deps.render = [this](std::string& out, const store::StoredEvent& event) {
        api::append_event(out, event, deps_.database->hasher());
    };
    deps.render_letter = [this](std::string& out, const store::StoredEvent& event,
                                const identity::Principal& who) {
        return api::append_letter_told(out, *this, event, who);
    };
    deps.executions = [this](core::LogPosition block, core::TenantId tenant,
                             const EventTail::Deps::Visit& visit) {
        return deps_.database->executions().of_block(block, [&](store::Execution&& execution) {
            if (execution.tenant != tenant) return;
            std::string text;
            core::JsonWriter json(text);
            api::append_execution(json, *this, execution,
                                  api::event_id_at(*this, execution.delivery.position));
            visit(execution.delivery.position.offset, std::move(text));
        });
    };
    // As it is kept: a shard's own may be ahead of what is on record.
    deps.handled_to = [this](core::ShardId shard) {
        return deps_.database->cursor(kDeliveryCursor, shard);
    };
    deps.edge = stream_edge();
    deps.room = {deps_.stream_bounds.blocks_bytes, deps_.stream_bounds.writing_bytes};
    tail_ = std::make_unique<EventTail>(std::move(deps));
}

void EngineServices::make_graphql() {
    graphql::GraphqlStreams::Deps deps;
    deps.clock = deps_.clock;
    deps.tail = tail_.get();
    deps.edge = stream_edge();
    deps.unsent_bytes_max = deps_.stream_bounds.unsent_bytes;
    deps.begin_socket = [this](const graphql::GraphqlPeer& peer, const std::string& accept,
                               std::string_view protocol, std::function<void(bool)> begun) {
        begin_events(peer.edge, peer.token, accept, protocol, std::move(begun));
    };
    deps.answer = [this](const graphql::GraphqlPeer& peer, graphql::OperationRef operation,
                         graphql::Answered done) {
        api::answer_graphql(*this, peer.principal, std::move(operation), std::move(done));
    };
    deps.position_of = [this](const core::JsonElement& event) {
        return api::graphql_position_of(*deps_.database, event);
    };
    deps.run_after = [this](std::int64_t us, std::function<void()> work) {
        this->run_after(us, std::move(work));
    };
    graphql_ = std::make_unique<graphql::GraphqlStreams>(std::move(deps));
}

void EngineServices::make_grpc() {
    grpc::GrpcStreams::Deps deps;
    deps.tail = tail_.get();
    deps.begin = [this](core::ShardId shard, io::RequestToken call) {
        shards_[shard.value]->post([this, shard, call](Shard& edge) {
            // It may have ended before its stream was there.
            if (!edge.grpc().begin(call)) stream_closed(shard, {call});
        });
    };
    deps.end = [this](core::ShardId shard, io::RequestToken call, grpc::CallStatus status) {
        shards_[shard.value]->post(
            [call, status = std::move(status)](Shard& edge) { edge.grpc().end(call, status); });
    };
    grpc_ = std::make_unique<grpc::GrpcStreams>(std::move(deps));
}

void EngineServices::make_stats_tail() {
    StatsTail::Deps deps;
    deps.clock = deps_.clock;
    deps.edge = stream_edge();
    stats_tail_ = std::make_unique<StatsTail>(std::move(deps));
}

// ---- of both kinds of streams, on the shard that has the connection

void EngineServices::begin_events(core::ShardId shard, io::RequestToken token,
                                  const std::string& accept, std::string_view protocol,
                                  std::function<void(bool)> begun) {
    shards_[shard.value]->post([this, token, accept, protocol = std::string(protocol),
                                begun = std::move(begun)](Shard& edge) {
        if (edge.draining()) {
            edge.http().respond_error(token, shutting_down());
            deps_.conductor->post_answer([begun] { begun(false); });
            return;
        }
        const bool ok = accept.empty() ? begin_stream(edge.http(), token)
                                       : begin_socket(edge.http(), token, accept, protocol);
        deps_.conductor->post_answer([begun, ok] { begun(ok); });
    });
}

void EngineServices::write_events(core::ShardId shard, io::RequestToken token, std::string bytes,
                                  std::function<void(io::WriteOutcome)> written) {
    shards_[shard.value]->post(
        [this, token, bytes = std::move(bytes), written = std::move(written)](Shard& edge) {
            const io::WriteOutcome outcome = edge.stream_write(token, bytes);
            deps_.conductor->post_answer([written, outcome] { written(outcome); });
        });
}

void EngineServices::refuse_events(core::ShardId shard, io::RequestToken token, core::Error error) {
    shards_[shard.value]->post([token, error = std::move(error)](Shard& edge) {
        edge.http().respond_error(token, error);
    });
}

void EngineServices::end_events(core::ShardId shard, io::RequestToken token) {
    shards_[shard.value]->post([token](Shard& edge) { edge.http().end_stream({token}); });
}

}  // namespace millrace::runtime
