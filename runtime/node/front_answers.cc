// Part of Front: what it answers by itself, and the streams that its clients read.
#include "core/json_writer.h"
#include "io/error_body.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"

#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::string_view kRetryAfter = "Retry-After";

// As any other error, and a word for programs: of another 503 nothing was taken.
std::string maybe_taken() {
    constexpr core::ErrorCode kCode = core::ErrorCode::kUnavailable;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message",
               "the node that this went to is gone: whether it was taken is not known; send "
               "events again with the same eventId, and look before you repeat anything else");
    json.field("code", core::error_code_text(kCode));
    json.field("statusCode", core::error_code_status(kCode)).key("details").begin_object();
    json.field("reason", kMaybeTaken).end_object().end_object().end_object();
    return body;
}

// The two listeners number their connections each for itself.
std::uint64_t stream_key(io::StreamToken stream, bool is_private) {
    return std::uint64_t{is_private} << 63 | std::uint64_t{stream.request.connection} << 32 |
           stream.request.sequence;
}

}  // namespace

core::Error no_owner(std::size_t partition) {
    return core::Error(core::ErrorCode::kUnavailable,
                       "nobody owns partition " + std::to_string(partition) +
                           " at the moment: nothing was taken; come again")
        .retry_after(1);
}

void Front::stream_began(Passage& passage) {
    if (passage.who && !passage.who->principal.empty())
        passage.mark = open_.watch(caller_of(passage), passage.who->principal, passage.who->at_ns);
    if (passage.is_own()) return;
    streams_[stream_key(passage.stream(), passage.is_private)] = passage.id();
}

Passage* Front::of_stream(io::StreamToken stream, bool is_private) {
    const auto found = streams_.find(stream_key(stream, is_private));
    if (found == streams_.end()) return nullptr;
    const auto passage = passages_.find(found->second);
    return passage == passages_.end() || !(passage->second->stream() == stream)
               ? nullptr
               : passage->second.get();
}

bool Front::holds(Passage& passage) {
    if (!passage.follows || passage.status() < 200 || passage.status() >= 300) return false;
    passage.follows = false;
    key_.follow_up(passage);
    return true;
}

Passage* Front::passage_of(std::uint64_t id) {
    const auto found = passages_.find(id);
    return found == passages_.end() ? nullptr : found->second.get();
}

void Front::answer(Passage& passage, const core::Error& error) {
    // A stream of figures that may not go on.
    if (passage.streams()) return passage.end_merged();
    if (!passage.maybe_taken) {
        passage.server().respond_error(passage.token, error);
        return finish(passage);
    }
    // Whatever stands in its way now: of what went out before nobody knows.
    figures_.unknown.fetch_add(1, std::memory_order_relaxed);
    const std::vector<io::HeaderField> headers = {
        {passage.is_private ? identity::kFrontAnswerHeader : kRetryAfter,
         passage.is_private ? kMaybeTaken : "1"}};
    passage.server().respond(passage.token, {.status = 503, .headers = headers}, maybe_taken());
    finish(passage);
}

void Front::answer_text(Passage& passage, int status, std::string_view type,
                        std::string_view body) {
    if (passage.streams()) return passage.end_merged();
    passage.server().respond(passage.token, {.status = status, .content_type = type}, body);
    finish(passage);
}

void Front::finish(Passage& passage) {
    passage.closed();
    if (passage.streams() && !passage.is_own())
        streams_.erase(stream_key(passage.stream(), passage.is_private));
    const auto found = passages_.find(passage.id());
    if (found == passages_.end()) return;
    ended_.push_back(std::move(found->second));
    passages_.erase(found);
}

void Front::answer_node(io::HttpServer& server, const io::Request& request, bool /*trusted*/) {
    const bool ready = routing_->ready && !draining_;
    if (request.path == "/healthz") {
        server.respond(request.token, {.status = 200}, R"({"status":"ok"})");
        return;
    }
    server.respond(request.token, {.status = ready ? 200 : 503},
                   routing_->readiness.empty() ? R"({"status":"starting"})" : routing_->readiness);
}

// Nothing was done: to the front of another node, which will ask again.
void Front::answer_not_here(Passage& passage) {
    const std::vector<io::HeaderField> headers = {{identity::kFrontAnswerHeader, "not-here"},
                                                  {"Retry-After", "1"}};
    const std::string body = io::error_body(no_owner(passage.partition));
    passage.server().respond(passage.token, {.status = 503, .headers = headers}, body);
    finish(passage);
}

}  // namespace millrace::runtime::node
