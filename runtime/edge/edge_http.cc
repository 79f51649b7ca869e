#include "runtime/edge/edge_http.h"

#include "io/error_body.h"
#include "io/http_head.h"
#include "runtime/api/query_check.h"
#include "runtime/edge/edge_cloudevents.h"
#include "runtime/edge/edge_console.h"
#include "runtime/edge/edge_older_events.h"
#include "runtime/edge/edge_trace.h"
#include "runtime/edge/followed_stream.h"
#include "runtime/edge/ingest_reply.h"
#include "runtime/edge/request_text.h"
#include "runtime/identity/credentials.h"
#include "runtime/identity/limits.h"
#include "runtime/identity/trusted_front.h"
#include "store/log/durability_text.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace millrace::runtime {

namespace {

bool is_any_of(const io::Request& request, std::initializer_list<std::string_view> types) {
    for (const std::string_view type : types) {
        if (request.content_type_is(type)) return true;
    }
    return false;
}

core::Result<store::Durability> durability_of(std::string_view text) {
    if (const auto durability = store::parse_durability(text)) return *durability;
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "durability: '" + std::string(text.substr(0, 32)) +
                                      "' is none of fsync, os, memory")
                          .in("durability"));
}

core::Result<bool> flag_of(const io::Request& request, std::string_view name, bool absent) {
    const auto value = request.query_value(name);
    if (!value) return absent;
    if (*value == "1" || *value == "true") return true;
    if (*value == "0" || *value == "false") return false;
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(name) + ": '" + value->substr(0, 32) +
                                                      "' is none of 0, 1, true, false")
            .in(std::string(name)));
}

bool looks_like_object(std::string_view text) {
    const std::size_t at = text.find_first_not_of(" \t\r\n");
    return at != std::string_view::npos && text[at] == '{';
}

// Questions about the server's state are answered whatever that is.
bool answers_in_a_drain(api::RouteId id) {
    return id == api::RouteId::kHealthz || id == api::RouteId::kReadyz ||
           id == api::RouteId::kMetrics;
}

}  // namespace

EdgeHttp::EdgeHttp(EdgeHost& host, const api::Api& api, const EdgeIdentity& identity,
                   const SourceBook& sources, const EdgeBook& edges, const store::Hasher& hasher,
                   api::ConsoleSet console)
    : host_(host),
      api_(api),
      identity_(identity),
      edges_(edges),
      hasher_(hasher),
      console_(std::move(console)),
      hooks_(sources, host.clock()),
      grpc_host_(host, identity, hasher),
      grpc_(grpc_host_) {
    grpc_host_.attach(grpc_);
}

// The one place where a request gets its principal and where the principal is held against the
// scope of what it asks for.
void EdgeHttp::pass_gate(const io::Request& request) {
    gate_.connection = request.token.connection;
    gate_.generation = request.token.generation;
    gate_.allowed = {};
    const bool found =
        api_.match(request.method, request.path, gate_.match) == io::RouteOutcome::kFound;
    const api::Route* route = found ? &api::route_table()[gate_.match.route] : nullptr;
    const identity::Scope unknown =
        is_preflight(request) ? identity::Scope::kPublic : identity::Scope::kApiRead;
    const identity::TrustedFront* front = identity_.authenticator().front();
    identity::Scope scope = route ? route->scope : unknown;
    if (route && route->id == api::RouteId::kStreamEvents)
        scope = scope_of(followed_stream(request, front));
    gate_.page_refused = {};
    auto principal = identity_.of(request, route, gate_.page_refused);
    if (principal) {
        gate_.principal = std::move(*principal);
        if (found) gate_.allowed = gate_.principal.require(scope);
        if (gate_.allowed) gate_.allowed = hold_connection(request.token.connection);
    } else {
        gate_.principal = {};
        // Whoever needs no rights needs no name either.
        if (scope != identity::Scope::kPublic ||
            principal.error().code != core::ErrorCode::kUnauthorized)
            gate_.allowed = core::fail(std::move(principal.error()));
    }
    if (route && gate_.allowed) gate_.allowed = hold_edge(request, *route);
    if (front && gate_.allowed)
        gate_.allowed = front->takes(request.method, host_.clock().monotonic_ns());
    if (!gate_.allowed) note_refusal(request, gate_.allowed.error());
}

// Edges have no key: a token of their own says who they are, before anything of them is read.
core::Status EdgeHttp::hold_edge(const io::Request& request, const api::Route& route) const {
    if (!api::is_asked_by_edges(route.id) ||
        edges_.known_by(gate_.match.param("id"),
                        identity::bearer_of(request.header("Authorization")),
                        host_.clock().wall_us()))
        return {};
    return core::fail(edge_token_needed());
}

// A browser asks whether a page may call, and shows no key with that.
bool EdgeHttp::is_preflight(const io::Request& request) const {
    return request.method == io::Method::kOptions &&
           gate_.match.outcome == io::RouteOutcome::kMethodNotAllowed &&
           !request.header("Access-Control-Request-Method").empty() &&
           identity_.authenticator().lets_page_call(request.header("Origin"));
}

// From its first request with a key on a connection counts for that key, until it shows another.
core::Status EdgeHttp::hold_connection(std::uint32_t connection) {
    // A front's connections are those of many.
    if (!gate_.principal.key || identity_.authenticator().front()) return {};
    if (connection >= held_.size()) held_.resize(std::size_t{connection} + 1);
    if (held_[connection].is_of(gate_.principal)) return {};
    held_[connection] = {};
    auto taken = identity::HeldConnection::take(gate_.principal);
    if (!taken) return core::fail(std::move(taken.error()));
    held_[connection] = std::move(*taken);
    return {};
}

// What a page of another origin may read, whoever answers. Endpoints say so themselves.
void EdgeHttp::add_answer_lines(const io::Request& request, io::HeadDecision& decision) const {
    const identity::Authenticator& authenticator = identity_.authenticator();
    if (const identity::TrustedFront* front = authenticator.front()) {
        decision.answer_lines = front->answer_lines(request, gate_.principal, gate_.allowed);
        // Nothing of it is done here any more: it may go to whoever owns next.
        if (host_.draining()) decision.answer_lines += identity::front_not_here();
    }
    if (authenticator.cors().empty()) return;
    const std::string_view origin = request.header("Origin");
    if (origin.empty()) return;
    if (gate_.match.outcome == io::RouteOutcome::kFound &&
        api::answers_as_endpoint(api::route_table()[gate_.match.route]))
        return;
    if (!authenticator.lets_page_call(origin)) {
        decision.answer_lines += "Vary: Origin\r\n";
        return;
    }
    for (const auto& [name, value] : authenticator.cors().answer_headers(origin))
        decision.answer_lines.append(name).append(": ").append(value).append("\r\n");
}

void EdgeHttp::respond_unmatched(const io::Request& request) {
    api::ApiResponse response = api::Api::unmatched(request.method, gate_.match, request.path);
    if (is_preflight(request))
        identity::add_preflight_headers(response.headers, gate_.match.allow,
                                        request.header("Access-Control-Request-Headers"));
    respond_api(request.token, std::move(response));
}

// Method and path: the query may hold what nobody should see.
void EdgeHttp::note_refusal(const io::Request& request, const core::Error& error) const {
    const std::string what =
        std::string(io::method_text(request.method)) + " " + std::string(request.path);
    identity_.note(error, gate_.principal, request.peer, what, host_.clock().monotonic_ns());
}

void EdgeHttp::on_head(const io::Request& request, io::HeadDecision& decision) {
    pass_gate(request);
    add_answer_lines(request, decision);
    if (gate_.match.outcome == io::RouteOutcome::kFound) {
        const api::Route& route = api::route_table()[gate_.match.route];
        decision.when_full = answers_in_a_drain(route.id);
        decision.body_bytes_max =
            std::max(std::min(decision.body_bytes_max, route.body.most), route.body.least);
    }
    // Says no before a body is read; what has none gets its answer from on_request, and the
    // connection lives on.
    const bool has_body = request.chunked || request.content_length > 0;
    if (has_body && !gate_.allowed) {
        decision.reject = gate_.allowed.error();
        return;
    }
    if (request.method != io::Method::kPost || gate_.match.outcome != io::RouteOutcome::kFound)
        return;
    const api::RouteOwner owner = api::route_table()[gate_.match.route].owner;
    if (owner != api::RouteOwner::kEvents && owner != api::RouteOwner::kHook) return;
    if (auto admitted = host_.admit(); !admitted) decision.reject = std::move(admitted.error());
}

void EdgeHttp::on_request(io::Request& request) {
    // Heads of other connections may have come while the body did.
    if (gate_.connection != request.token.connection ||
        gate_.generation != request.token.generation)
        pass_gate(request);
    if (takes_back(request)) {
        server_->respond(request.token, {.status = 200}, "{}");
        return;
    }
    if (!gate_.allowed) {
        server_->respond_error(request.token, gate_.allowed.error());
        return;
    }
    if (gate_.match.outcome != io::RouteOutcome::kFound) {
        if (crosses(request)) return forward(request);
        respond_unmatched(request);
        return;
    }
    const api::Route& route = api::route_table()[gate_.match.route];
    if (host_.draining() && !answers_in_a_drain(route.id)) {
        server_->respond_error(request.token, shutting_down());
        return;
    }
    if (auto known = api::check_query(route, request.query); !known) {
        server_->respond_error(request.token, known.error());
        return;
    }
    switch (route.owner) {
        case api::RouteOwner::kEvents: take_events(request); return;
        case api::RouteOwner::kStream: open_stream(request, route.id); return;
        case api::RouteOwner::kGraphql: take_graphql(request, route.id); return;
        case api::RouteOwner::kHook: take_hook(request); return;
        case api::RouteOwner::kConsole:
            respond_api(request.token, answer_console(request, console_));
            return;
        case api::RouteOwner::kApi: forward(request); return;
    }
}

void EdgeHttp::open_stream(io::Request& request, api::RouteId route) {
    std::string accept;
    if (route == api::RouteId::kSocketEvents && !shake_hands(request, accept)) return;
    host_.open_stream(request, route, gate_.principal, std::move(accept));
}

// False: it is no handshake, which the client has been told.
bool EdgeHttp::shake_hands(const io::Request& request, std::string& accept) {
    if (auto asked = EdgeSockets::check_handshake(request); !asked) {
        api::ApiResponse refusal = api::error_response(asked.error());
        refusal.headers.emplace_back("Sec-WebSocket-Version", "13");
        respond_api(request.token, std::move(refusal));
        return false;
    }
    accept = EdgeSockets::accept_of(request);
    return true;
}

// A WebSocket, Server-Sent Events, or an answer at once.
void EdgeHttp::take_graphql(io::Request& request, api::RouteId route) {
    std::string accept;
    if (route == api::RouteId::kGetGraphql && !request.header("Upgrade").empty()) {
        if (!shake_hands(request, accept)) return;
        sockets_.take_messages({request.token});
    } else if (request.header("Accept").find("text/event-stream") == std::string_view::npos) {
        return forward(request);
    }
    host_.open_stream(request, route, gate_.principal, std::move(accept));
}

// Of a stream of events nothing but control frames means anything.
void EdgeHttp::on_stream_bytes(io::StreamToken stream, std::string_view bytes) {
    if (grpc_.has(stream.request)) return grpc_.take(stream, bytes);
    EdgeSockets::Reply reply = sockets_.take(stream, bytes);
    for (std::string& message : reply.messages) {
        if (reply.ends || host_.stream_message(stream, std::move(message))) continue;
        reply.bytes += io::ws_close_frame(io::WsClose::kTryLater, "too much is under way");
        reply.ends = true;
    }
    if (!server_->keep_for_stream(stream, reply.ends ? 0 : reply.held_bytes) && !reply.ends) {
        reply.bytes += io::ws_close_frame(io::WsClose::kTryLater,
                                          "what clients keep waiting takes all its room");
        reply.ends = true;
    }
    if (!reply.bytes.empty()) (void)server_->stream_write(stream, reply.bytes);
    if (!reply.ends) return;
    sockets_.forget(stream);
    server_->end_stream(stream);
    host_.stream_closed(stream);
}

// What partitions ask each other is no resource of clients: their front lets none of it through.
bool EdgeHttp::crosses(const io::Request& request) const {
    const identity::TrustedFront* front = identity_.authenticator().front();
    return front && front->takes_crossing() && front->is_front(request) &&
           request.path.starts_with(identity::kCrossingFolder) && !host_.draining();
}

// Whatever the gate has said of who is named: somebody may be known by another text by now.
bool EdgeHttp::takes_back(const io::Request& request) const {
    const identity::TrustedFront* front = identity_.authenticator().front();
    if (!front || request.path != identity::kTakeBackPath ||
        request.method != io::Method::kDelete || !front->is_front(request))
        return false;
    front->take_back(request.header(identity::kFrontPrincipalHeader));
    return true;
}

void EdgeHttp::forward(io::Request& request) {
    api::ApiRequest out;
    out.method = request.method;
    out.match = gate_.match;
    if (out.match.outcome != io::RouteOutcome::kFound)
        out.headers.emplace_back(identity::kCrossingPath, request.path);
    out.query = request.query;
    out.content_type = request.content_type;
    const bool of_front = identity_.authenticator().front() != nullptr;
    for (const io::HeaderField& header : request.headers) {
        // Where there is no front it is a client's.
        if (!of_front && io::equals_ignore_case(header.name, identity::kFrontOrderHeader)) continue;
        out.headers.emplace_back(header.name, header.value);
    }
    out.body = request.body;
    out.principal = gate_.principal;
    out.page_refused = std::move(gate_.page_refused);
    if (!identity_.authenticator().cors().empty() &&
        identity_.authenticator().lets_page_call(request.header("Origin")))
        out.cors = &identity_.authenticator().cors();
    host_.forward(std::move(out), request.token);
}

void EdgeHttp::respond_api(io::RequestToken token, api::ApiResponse&& response) {
    std::vector<io::HeaderField> headers;
    for (const auto& [name, value] : response.headers) headers.push_back({name, value});
    server_->respond(
        token,
        {.status = response.status, .content_type = response.content_type, .headers = headers},
        response.body);
}

void EdgeHttp::take_events(io::Request& http) {
    if (auto admitted = host_.admit(); !admitted) {
        server_->respond_error(http.token, admitted.error());
        return;
    }
    IngestRequest& request = host_.take_request();
    request.origin = IngestOrigin::kHttp;
    request.http = http.token;
    request.tenant = gate_.principal.tenant;
    request.sender = gate_.principal.key.get();
    auto taken = read_events(http, request);
    if (taken) {
        keep_trace(trace_in(http.headers), request);
        taken = spend(request);
        if (!taken) note_refusal(http, taken.error());
    }
    if (!taken) {
        server_->respond_error(http.token, taken.error());
        host_.drop(request);
        return;
    }
    if (request.atomicity == Atomicity::kAllOrNone && !request.rejected.empty())
        request.drop_items();
    host_.start(request);
}

// A batch that does not fit into what may be sent is refused whole.
core::Status EdgeHttp::spend(const IngestRequest& request) {
    return identity::take_quota(gate_.principal, static_cast<std::int64_t>(request.items.size()),
                                static_cast<std::int64_t>(request.body ? request.body.size() : 0),
                                host_.clock().monotonic_ns());
}

core::Status EdgeHttp::read_events(io::Request& http, IngestRequest& request) {
    const auto ids = flag_of(http, "ids", true);
    if (!ids) return core::fail(ids.error());
    const auto atomic = flag_of(http, "atomic", false);
    if (!atomic) return core::fail(atomic.error());
    request.reply_ids = *ids ? ReplyIds::kInclude : ReplyIds::kLeaveOut;
    request.atomicity = *atomic ? Atomicity::kAllOrNone : Atomicity::kEachEntry;
    request.durability = host_.default_durability();
    if (const auto asked = http.query_value("durability")) {
        const auto durability = durability_of(*asked);
        if (!durability) return core::fail(durability.error());
        request.durability = *durability;
    }
    request.body = std::move(http.body);

    auto format = core::BatchFormat::kJson;
    if (is_any_of(http, {"application/x-ndjson", "application/ndjson", "application/jsonl",
                         "application/x-jsonlines"})) {
        format = core::BatchFormat::kNdjson;
    } else if (http.content_type.starts_with("application/cloudevents") &&
               !is_any_of(http,
                          {"application/cloudevents+json", "application/cloudevents-batch+json"})) {
        return core::fail(core::ErrorCode::kUnsupportedMediaType,
                          "Content-Type: of the CloudEvents formats only JSON is understood: "
                          "application/cloudevents+json and application/cloudevents-batch+json");
    } else if (is_cloud_event(http)) {
        return read_cloud_events(http, request, host_.ingestor(), host_.pools());
    } else if (!http.content_type.empty() && !is_any_of(http, {"application/json", "text/json"})) {
        return core::fail(core::ErrorCode::kUnsupportedMediaType,
                          "Content-Type: '" + std::string(http.content_type.substr(0, 64)) +
                              "' is none of application/json, application/x-ndjson, "
                              "application/cloudevents+json, "
                              "application/cloudevents-batch+json");
    }
    const std::string_view text = request.body ? request.body.view() : std::string_view{};
    if (text.empty())
        return core::fail(core::ErrorCode::kValidation,
                          "body: empty; an event or a batch of events is expected");
    request.single_object = format == core::BatchFormat::kJson && looks_like_object(text);
    auto read = host_.ingestor().read(request, text, format, HomeRule::kByKey);
    if (read && !request.rejected.empty() && has_older_members(request)) [[unlikely]]
        read = read_older_events(request, host_.ingestor(), host_.pools(), format);
    if (read && format == core::BatchFormat::kNdjson && request.items.empty() &&
        request.rejected.empty()) {
        return core::fail(core::ErrorCode::kValidation, "body: no line holds an event");
    }
    return read;
}

void EdgeHttp::take_hook(io::Request& request) {
    if (request.method == io::Method::kOptions) {
        respond_api(request.token,
                    hooks_.answer_options(request, gate_.match.param("source"), gate_.principal));
        return;
    }
    if (auto admitted = host_.admit(); !admitted) {
        server_->respond_error(request.token, admitted.error());
        return;
    }
    HookOutcome outcome = hooks_.take(request, gate_.match.param("source"), gate_.principal);
    if (outcome.forged) {
        identity_.note(identity::SecurityKind::kSignatureFailed, outcome.tenant, request.peer,
                       request.path, host_.clock().monotonic_ns());
    }
    outcome.trace = trace_in(request.headers);
    take_hook_event(std::move(outcome), request.token);
}

// A transform first, where the source has one; then as any event.
void EdgeHttp::take_hook_event(HookOutcome&& outcome, io::RequestToken token) {
    if (outcome.answer) return respond_api(token, std::move(*outcome.answer));
    if (!outcome.script_id.empty()) {
        auto transform = std::make_unique<HookTransform>();
        transform->token = token;
        transform->tenant = outcome.tenant;
        transform->script_id = std::move(outcome.script_id);
        transform->trace = std::move(outcome.trace);
        transform->sender = std::move(outcome.sender);
        transform->event = std::move(outcome.event.text);
        transform->arrival = std::move(outcome.arrival);
        return host_.transform_hook(std::move(transform));
    }
    IngestRequest& request = host_.take_request();
    request.origin = IngestOrigin::kHttp;
    request.http = token;
    request.tenant = outcome.tenant;
    request.durability = host_.default_durability();
    request.single_object = true;
    request.sender = outcome.sender.get();
    request.hook = std::move(outcome.arrival);
    set_request_text(request, outcome.event.text, host_.pools());
    auto read = host_.ingestor().read(request, request.body.view(), core::BatchFormat::kJson,
                                      HomeRule::kByKey);
    std::string found;  // by a schema
    if (read && request.items.empty() && !request.rejected.empty()) {
        found = std::move(request.rejected.front().errors);
        read = core::fail(std::move(request.rejected.front().error));
    }
    if (read) read = hooks_.spend(outcome, request.body.size());
    if (!read) {
        outcome.event.places.tell_as_sent(read.error());
        request.hook->tell("refused", core::error_code_status(read.error().code),
                           read.error().message);
        api::ApiResponse refusal = api::error_response(read.error());
        refusal.body = io::error_body(read.error(), found);
        respond_api(token, std::move(refusal));
        host_.drop(request);
        return;
    }
    keep_trace(outcome.trace, request);
    host_.start(request);
}

void EdgeHttp::hook_transformed(HookTransform& transform) {
    const io::RequestToken token = transform.token;
    take_hook_event(EdgeHooks::transformed(transform), token);
}

void EdgeHttp::finish(IngestRequest& request) {
    if (request.hook) EdgeHooks::tell_end(request);
    if (request.failed()) {
        server_->respond_error(
            request.http,
            core::Error(core::ErrorCode::kUnavailable,
                        "the store has failed: whether these events are kept is not known; send "
                        "them again with the same eventId once the server is back")
                .retry_after(5));
        return;
    }
    io::BodyWriter body = server_->body_writer();
    const identity::TrustedFront* front = identity_.authenticator().front();
    const IngestReply reply = write_ingest_reply(request, hasher_, host_.drain_seconds(), body,
                                                 front ? front->replicated() : std::string_view());
    const std::string seconds = std::to_string(reply.retry_after_seconds);
    const std::array<io::HeaderField, 1> retry_after{{{"Retry-After", seconds}}};
    io::ResponseHead head{.status = reply.status};
    if (reply.retry_after_seconds != core::Error::kNoPosition) head.headers = retry_after;
    server_->respond(request.http, head, std::move(body));
}

}  // namespace millrace::runtime
