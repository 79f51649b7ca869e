// Part of Front: what comes in, by its two listeners.
#include "core/crypto/constant_time.h"
#include "io/http_head.h"
#include "runtime/api/list_places.h"
#include "runtime/edge/edge_console.h"
#include "runtime/identity/peer_text.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"
#include "runtime/registry/edge_token.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

// The whole of what is shown is kept, as it is compared: nothing of it is guessed.
void append_shown(std::string& out, std::string_view text) {
    out.append(std::to_string(text.size())).append(":").append(text);
}

}  // namespace

void Front::take(io::HttpServer& server, io::Request& request, bool is_private) {
    if (is_private && !core::crypto::constant_time_equal(
                          request.header(identity::kFrontTokenHeader), settings_.token)) {
        server.respond_error(request.token,
                             core::Error(core::ErrorCode::kUnauthorized,
                                         "this is where the nodes of a cluster talk to each other; "
                                         "clients have http.listen"));
        return;
    }
    std::string path;
    if (!io::percent_decode(request.path, io::PlusIsSpace::kNo, path)) {
        server.respond_error(request.token,
                             core::Error(core::ErrorCode::kValidation, "the path does not read"));
        return;
    }
    const FrontRoute route = front_route(request.method, path);
    if (route.to == Belongs::kNode && !path.starts_with("/v2/") && path != "/metrics")
        return answer_node(server, request, is_private);
    if (route.to == Belongs::kConsole && !is_private) {
        const api::ApiResponse page = answer_console(request, deps_.console);
        std::vector<io::HeaderField> headers;
        for (const auto& [name, value] : page.headers) headers.push_back({name, value});
        server.respond(
            request.token,
            {.status = page.status, .content_type = page.content_type, .headers = headers},
            page.text());
        return;
    }
    Passage& passage = new_passage(server, request);
    passage.path = std::move(path);
    passage.is_private = is_private;
    passage.route = front_route(passage.method, passage.path);
    if (is_private && passage.route.to != Belongs::kNode) return take_private(passage, request);
    if (passes_to_copy(passage)) return;
    take_public(passage, request);
}

Passage& Front::new_passage(io::HttpServer& server, io::Request& request) {
    const std::uint64_t id = next_passage_++;
    auto made = std::make_unique<Passage>(*this, server, id);
    made->token = request.token;
    made->method = request.method == io::Method::kHead ? io::Method::kGet : request.method;
    made->target = request.target;
    made->upgrade = io::equals_ignore_case(request.header("Upgrade"), "websocket");
    made->headers = kept_headers(request.headers, made->upgrade);
    made->body = std::move(request.body);
    made->peer = request.peer.to_string();
    made->client = request.peer;
    made->from_loopback = request.peer.is_loopback();
    made->deadline_ns = deps_.clock->monotonic_ns() + FrontLimits::kHoldNs;
    Passage& passage = *made;
    passages_.emplace(id, std::move(made));
    return passage;
}

// From another node: it knows who owns, or thinks so; nothing goes on to a third. A partition's own
// process knows nobody: it asks its node to pass something on to wherever the owner is.
void Front::take_private(Passage& passage, const io::Request& request) {
    const std::string_view digits = request.header(kPartitionHeader);
    std::size_t partition = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), partition);
    const bool reads =
        !digits.empty() && read.ec == std::errc() && read.ptr == digits.data() + digits.size();
    passage.partition = partition;
    if (!reads || partition >= routing_->targets.size()) return answer_not_here(passage);
    const Target& target = routing_->targets[partition];
    const bool relayed = !request.header(kRelayHeader).empty();
    passage.goes_on = relayed && target.where == Target::Where::kThere;
    if (target.where != Target::Where::kHere && !passage.goes_on) return answer_not_here(passage);
    if (passage.goes_on) passage.headers.emplace_back(kPartitionHeader, digits);
    // As that node has said it.
    for (const std::string_view name :
         {identity::kFrontTokenHeader, identity::kFrontPeerHeader, identity::kFrontPrincipalHeader,
          identity::kFrontOrderHeader, kPlacesHeader, api::kStreamKindHeader}) {
        const std::string_view value = request.header(name);
        if (!value.empty()) passage.headers.emplace_back(name, value);
    }
    const std::string head = forward_head({.method = passage.method,
                                           .target = passage.target,
                                           .headers = &passage.headers,
                                           .body_bytes = passage.body_view().size(),
                                           .upgrade = passage.upgrade});
    (passage.goes_on ? figures_.forwarded_there : figures_.forwarded_here)
        .fetch_add(1, std::memory_order_relaxed);
    passage.sent_ns = deps_.clock->monotonic_ns();
    if (!client_->start(passage, target.address, head, passage.body)) not_here(passage);
}

std::string Front::shown_of(const HeaderList& headers, const io::Peer& peer,
                            std::string_view query_key) {
    std::string shown;
    for (const std::string_view name :
         {"Authorization", "X-API-Key", "Cookie", "Host", "Origin", "Sec-Fetch-Site"}) {
        const auto found = std::find_if(headers.begin(), headers.end(), [name](const auto& one) {
            return io::equals_ignore_case(one.first, name);
        });
        append_shown(shown, found == headers.end() ? std::string_view() : found->second);
    }
    append_shown(shown, identity::peer_address(peer));
    append_shown(shown, query_key);
    return Judged::digest_of(shown);
}

void Front::read_shown(Passage& passage, const io::Request& request) const {
    const bool takes = query_keys_ == identity::QueryKeys::kAll ||
                       (query_keys_ == identity::QueryKeys::kSome &&
                        (passage.route.to == Belongs::kPublic ||
                         request.path.ends_with("/stream") || request.path.ends_with("/ws") ||
                         request.path == "/v2/script/run" || request.path == "/v2/graphql"));
    if (takes) passage.query_key = request.query_value("apiKey").value_or("");
    passage.shown = shown_of(passage.headers, request.peer, passage.query_key);
}

void Front::take_public(Passage& passage, const io::Request& request) {
    if (passage.route.to == Belongs::kRefused) {
        figures_.refused.fetch_add(1, std::memory_order_relaxed);
        return answer(passage,
                      core::Error(core::ErrorCode::kNotSupported, std::string(passage.route.why)));
    }
    if (passage.is_private) return ask_node(passage);  // another node, or a person with the token
    if (!routing_->initialized) {
        if (passage.route.to == Belongs::kNode && passage.from_loopback &&
            identity::check_local_request(request, names_, cors_))
            return answer_cluster(passage);
        return answer(passage,
                      core::Error(core::ErrorCode::kUnavailable,
                                  "the cluster has not been made yet: millrace cluster init")
                          .retry_after(5));
    }
    if (passage.route.to == Belongs::kPublic) {
        if (const auto tenant = request.query_value("tenant")) passage.query_tenant = *tenant;
        // Endpoints take it themselves; of webhooks it is for us.
        if (passage.path.starts_with("/v2/webhooks"))
            passage.target = without_parameter(passage.target, "tenant");
    }
    const bool may_name = passage.route.to == Belongs::kLook || passage.route.to == Belongs::kAudit;
    if (passage.route.to == Belongs::kNamed || may_name) {
        passage.query_partition = request.query_value("partition").value_or("");
        passage.target = without_parameter(passage.target, "partition");
    }
    if (passage.route.to == Belongs::kEdge) {
        passage.query_tenant =
            tenant_of_edge_token(identity::bearer_of(request.header("Authorization")));
    } else if (passage.route.to != Belongs::kKeys) {
        read_shown(passage, request);
    }
    // A page that makes a browser send something while no key exists; the keys' partition can not
    // see whether there is a body.
    if (passage.body && request.content_type.empty() && !identity::check_page(request, cors_)) {
        return answer(passage, core::Error(core::ErrorCode::kForbidden,
                                           "a page of another site may not call"));
    }
    go_on(passage);
}

}  // namespace millrace::runtime::node
