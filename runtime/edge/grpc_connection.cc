#include "runtime/edge/grpc_connection.h"

#include "runtime/edge/edge_host.h"
#include "runtime/edge/edge_trace.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::string_view kContentType = "application/grpc";
constexpr std::string_view kEncodings = "identity,gzip";
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kLookNs = 1'000'000'000;
// After so long without a word from a client that has calls it is asked whether it is there.
constexpr std::int64_t kPingNs = 30'000'000'000;

bool is_grpc(const io::Http2Request& request) {
    const auto found =
        std::find_if(request.headers.begin(), request.headers.end(),
                     [](const auto& field) { return field.first == "content-type"; });
    if (found == request.headers.end() || !found->second.starts_with(kContentType)) return false;
    const std::string_view rest = std::string_view(found->second).substr(kContentType.size());
    return rest.empty() || rest.starts_with(';') || rest == "+proto" || rest.starts_with("+proto;");
}

std::string_view header_of(const io::Http2Request& request, std::string_view name) {
    for (const auto& [key, value] : request.headers) {
        if (key == name) return value;
    }
    return {};
}

std::vector<io::HeaderField> fields_of(const io::Http2Request& request) {
    std::vector<io::HeaderField> fields;
    fields.reserve(request.headers.size());
    for (const auto& [name, value] : request.headers) fields.push_back({name, value});
    return fields;
}

}  // namespace

GrpcConnection::GrpcConnection(GrpcContext& context, io::RequestToken token, const io::Peer& peer,
                               std::span<const std::string> peer_names)
    : context_(context),
      token_(token),
      peer_(peer),
      peer_names_(peer_names.begin(), peer_names.end()),
      session_(*this, context.http2, context.tally.http2),
      heard_ns_(context.host.clock().monotonic_ns()),
      idle_since_ns_(heard_ns_),
      due_ns_(heard_ns_ + kLookNs) {}

GrpcConnection::~GrpcConnection() {
    for (const auto& [stream, call] : calls_) {
        if (!call.ended) count_end(call, grpc::Code::kCancelled);
        --context_.tally.open_calls;
        if (call.asked && call.method->kind == grpc::MethodKind::kSubscribe)
            context_.host.stream_closed(token_of(stream));
        context_.host.call_closed(token_of(stream));
    }
}

bool GrpcConnection::take(std::string_view bytes, std::int64_t now_ns) {
    heard_ns_ = now_ns;
    const bool goes_on = session_.take(bytes, now_ns);
    start_gathered();
    return goes_on;
}

void GrpcConnection::start_gathered() {
    for (const std::uint32_t stream : std::exchange(gathered_, {})) {
        Call* const call = find(stream);
        if (!call) continue;
        if (call->queue.has_gathered()) start_batch(stream, *call);
        settle(stream, *call);
    }
}

bool GrpcConnection::over() const {
    return dead_ || session_.over() || (leaving_ && calls_.empty() && !session_.wants_write());
}

GrpcConnection::Call* GrpcConnection::find(std::uint32_t stream) {
    const auto found = calls_.find(stream);
    return found == calls_.end() ? nullptr : &found->second;
}

// ---- a call begins

void GrpcConnection::on_request(std::uint32_t stream, io::Http2Request&& request) {
    if (!request.too_large && !is_grpc(request)) return refuse_http(stream, "415");
    if (!request.too_large && request.method != "POST") return refuse_http(stream, "405");
    Call& call = calls_.try_emplace(stream, context_.message_bytes_max).first->second;
    ++context_.tally.open_calls;
    if (request.too_large) return admitted(stream, call, too_large());
    admit(stream, call, std::move(request));
}

core::Status GrpcConnection::too_large() const {
    return core::fail(
        core::Error(core::ErrorCode::kHeadersTooLarge,
                    "the headers exceed " + std::to_string(context_.http2.header_bytes_max) +
                        " bytes or " + std::to_string(context_.http2.header_count_max))
            .bound(static_cast<std::int64_t>(context_.http2.header_bytes_max)));
}

void GrpcConnection::admit(std::uint32_t stream, Call& call, io::Http2Request&& request) {
    call.method = grpc::find_method(request.path);
    auto principal = identify(stream, request);
    if (!principal) {
        call.waiting = std::make_unique<io::Http2Request>(std::move(request));
        return;
    }
    auto passed = pass_gate(call, std::move(*principal), request);
    admitted(stream, call, passed ? begin_call(call, request) : passed);
}

void GrpcConnection::identified(std::uint32_t stream,
                                core::Result<identity::Principal>&& principal) {
    Call* const call = find(stream);
    if (!call || !call->waiting || call->ended) return;
    const std::unique_ptr<io::Http2Request> request = std::move(call->waiting);
    auto passed = pass_gate(*call, std::move(principal), *request);
    admitted(stream, *call, passed ? begin_call(*call, *request) : passed);
    const std::string early = std::exchange(call->early, {});
    kept_bytes_ -= early.size();
    if (!early.empty()) on_data(stream, early);
    if (call->client_ended) on_end(stream);
    start_gathered();
}

void GrpcConnection::admitted(std::uint32_t stream, Call& call, const core::Status& status) {
    if (!status) return fail(stream, call, status.error());
    if (call.method->kind == grpc::MethodKind::kPublish ||
        call.method->kind == grpc::MethodKind::kReflect)
        respond(stream);
}

core::Status GrpcConnection::begin_call(Call& call, const io::Http2Request& request) {
    if (!call.method) {
        return core::fail(core::ErrorCode::kNotSupported,
                          "'" + request.path.substr(0, 128) + "' is no method of this server");
    }
    if (leaving_ || context_.host.draining()) return core::fail(shutting_down());
    const std::string_view encoding = header_of(request, "grpc-encoding");
    call.inflates = encoding == "gzip";
    if (!call.inflates && !encoding.empty() && encoding != "identity") {
        return core::fail(core::ErrorCode::kNotSupported,
                          "grpc-encoding '" + std::string(encoding.substr(0, 32)) +
                              "': only identity and gzip are understood");
    }
    const std::string_view timeout = header_of(request, "grpc-timeout");
    if (!timeout.empty()) {
        const auto ns = grpc::parse_timeout(timeout);
        if (!ns) {
            return core::fail(core::ErrorCode::kValidation,
                              "grpc-timeout '" + std::string(timeout.substr(0, 32)) +
                                  "' is none: expected up to 8 digits and one of H, M, S, m, u, n");
        }
        call.deadline_ns = context_.host.clock().monotonic_ns() + std::max<std::int64_t>(*ns, 1);
        due_ns_ = std::min(due_ns_, call.deadline_ns);
    }
    if (call.method->kind != grpc::MethodKind::kPublish) return {};
    call.trace = trace_in(fields_of(request));
    return context_.host.admit();
}

std::optional<core::Result<identity::Principal>> GrpcConnection::identify(
    std::uint32_t stream, const io::Http2Request& request) {
    const std::vector<io::HeaderField> fields = fields_of(request);
    io::Request http;
    http.token = token_;
    http.method = io::Method::kPost;
    http.target = http.path = request.path;
    http.host = request.authority.empty() ? header_of(request, "host") : request.authority;
    http.content_type = header_of(request, "content-type");
    http.headers = fields;
    http.peer = peer_;
    http.peer_names = peer_names_;
    return context_.host.identify(token_of(stream), http);
}

// As EdgeHttp's.
core::Status GrpcConnection::pass_gate(Call& call, core::Result<identity::Principal>&& principal,
                                       const io::Http2Request& request) {
    const identity::Scope scope = call.method ? call.method->scope : identity::Scope::kApiRead;
    core::Status allowed;
    if (principal) {
        call.principal = std::move(*principal);
        if (call.method) allowed = call.principal.require(scope);
        const bool counts = call.principal.key && context_.host.counts_connections();
        if (allowed && counts && !held_.is_of(call.principal)) {
            held_ = {};
            auto taken = identity::HeldConnection::take(call.principal);
            if (taken)
                held_ = std::move(*taken);
            else
                allowed = core::fail(std::move(taken.error()));
        }
    } else if (scope != identity::Scope::kPublic ||
               principal.error().code != core::ErrorCode::kUnauthorized) {
        allowed = core::fail(std::move(principal.error()));
    }
    if (!allowed) context_.host.note(allowed.error(), call.principal, peer_, request.path);
    return allowed;
}

// What is no gRPC at all is told so in HTTP's words.
void GrpcConnection::refuse_http(std::uint32_t stream, std::string_view status) {
    const std::array<io::HeaderField, 2> fields = {
        {{":status", status}, {"content-type", "text/plain"}}};
    if (!session_.respond(stream, fields)) return;
    session_.write(stream, "HTTP/2 is for gRPC here: POST, content-type: application/grpc\n");
    session_.end(stream, {});
}

// ---- what goes

void GrpcConnection::respond(std::uint32_t stream) {
    const std::array<io::HeaderField, 3> fields = {
        {{":status", "200"}, {"content-type", kContentType}, {"grpc-accept-encoding", kEncodings}}};
    session_.respond(stream, fields);
}

void GrpcConnection::say(std::uint32_t stream, std::string_view message) {
    if (!session_.responded(stream)) respond(stream);
    std::string frame;
    grpc::append_frame(frame, message);
    session_.write(stream, frame);
}

bool GrpcConnection::begin(std::uint32_t stream) {
    const Call* const call = find(stream);
    if (!call || call->ended) return false;
    if (!session_.responded(stream)) respond(stream);
    return true;
}

io::WriteOutcome GrpcConnection::write(std::uint32_t stream, std::string_view frames) {
    const Call* const call = find(stream);
    if (!call || call->ended) return io::WriteOutcome::kClosed;
    const std::size_t unsent = session_.unsent_bytes(stream);
    // What is larger may go when nothing else waits, or it could never go.
    if (unsent > 0 && unsent + frames.size() > kStreamBytesMax) {
        session_.want_room(stream, kStreamBytesMax / 2);
        return io::WriteOutcome::kFull;
    }
    if (!session_.responded(stream)) respond(stream);
    session_.write(stream, frames);
    return io::WriteOutcome::kOk;
}

void GrpcConnection::on_room(std::uint32_t stream) {
    Call* const call = find(stream);
    if (!call || call->ended) return;
    if (call->method->kind == grpc::MethodKind::kSubscribe)
        context_.host.stream_drained(token_of(stream));
    else
        give_room(stream, *call);
}

void GrpcConnection::end(std::uint32_t stream, const grpc::CallStatus& status) {
    Call* const call = find(stream);
    if (call && !call->ended) end_call(stream, *call, status);
}

void GrpcConnection::end_call(std::uint32_t stream, Call& call, const grpc::CallStatus& status) {
    call.ended = true;
    call.waiting.reset();
    call.ended_ns = context_.host.clock().monotonic_ns();
    count_end(call, status.code);
    const std::string code = std::to_string(static_cast<unsigned>(status.code));
    const std::string message = grpc::encode_message(status.message);
    const std::string retry = std::to_string(status.retry_after_ms);
    std::vector<io::HeaderField> fields;
    if (!session_.responded(stream)) {
        fields = {{":status", "200"},
                  {"content-type", kContentType},
                  {"grpc-accept-encoding", kEncodings}};
    }
    fields.push_back({"grpc-status", code});
    if (!message.empty()) fields.push_back({"grpc-message", message});
    if (status.retry_after_ms >= 0) fields.push_back({"grpc-retry-pushback-ms", retry});
    session_.end(stream, fields);
    if (call.asked && call.method->kind == grpc::MethodKind::kSubscribe)
        context_.host.stream_closed(token_of(stream));
    give_room(stream, call);
}

void GrpcConnection::count_end(const Call& call, grpc::Code code) {
    const std::size_t method =
        call.method ? static_cast<std::size_t>(call.method->id) : GrpcTally::kMethods - 1;
    ++context_.tally.ended[method][static_cast<std::size_t>(code)];
    ++context_.tally.ended_calls;
}

// ---- the connection

void GrpcConnection::free_room() {
    const core::Error full(core::ErrorCode::kRateLimited,
                           "what clients keep waiting takes all its room");
    for (auto& [stream, call] : calls_) {
        if (call.ended) continue;
        if (call.frames.kept_bytes() != 0 || !call.early.empty())
            fail(stream, call, full);
        else if (!call.waiting && call.method->kind != grpc::MethodKind::kSubscribe &&
                 session_.unsent_bytes(stream) > kStreamBytesMax)
            cut_off(stream, call);
    }
}

// Whoever reads nothing would not read why, either.
void GrpcConnection::cut_off(std::uint32_t stream, Call& call) {
    end_call(stream, call, {grpc::Code::kResourceExhausted});
    session_.reset(stream, io::Http2Error::kEnhanceYourCalm);
}

void GrpcConnection::go_away() {
    leaving_ = true;
    session_.go_away(io::Http2Error::kNone, "the server is shutting down");
    const grpc::CallStatus ends = grpc::status_of(shutting_down());
    for (auto& [stream, call] : calls_) {
        if (call.ended) continue;
        if (!call.waiting && call.method->kind == grpc::MethodKind::kHealthWatch)
            tell_health(stream, call);
        if (call.waiting || call.method->kind != grpc::MethodKind::kPublish) {
            end_call(stream, call, ends);
            continue;
        }
        if (!call.ending) call.ending = ends;
        settle(stream, call);
    }
}

std::int64_t GrpcConnection::look(std::int64_t now_ns) {
    std::int64_t next_ns = now_ns + kLookNs;
    for (auto& [stream, call] : calls_) {
        if (call.ended) {
            // Its end stands behind what the client does not read.
            if (now_ns - call.ended_ns >= context_.write_ms_max * kNsPerMs)
                session_.reset(stream, io::Http2Error::kCancel);
            continue;
        }
        if (call.waiting) continue;
        if (call.method->kind == grpc::MethodKind::kHealthWatch && call.asked)
            tell_health(stream, call);
        if (call.deadline_ns == 0) continue;
        if (call.deadline_ns > now_ns) {
            next_ns = std::min(next_ns, call.deadline_ns);
            continue;
        }
        end_call(stream, call, {grpc::Code::kDeadlineExceeded, "the call's deadline has passed"});
    }
    if (calls_.empty()) {
        if (!leaving_ && now_ns - idle_since_ns_ >= context_.idle_ms_max * kNsPerMs) {
            leaving_ = true;
            session_.go_away(io::Http2Error::kNone, "idle");
        }
    } else if (session_.pings_unanswered() != 0) {
        dead_ = heard_ns_ < pinged_ns_ && now_ns - pinged_ns_ >= context_.write_ms_max * kNsPerMs;
    } else if (now_ns - heard_ns_ >= kPingNs) {
        session_.ping();
        pinged_ns_ = now_ns;
    }
    due_ns_ = next_ns;
    return next_ns;
}

}  // namespace millrace::runtime
