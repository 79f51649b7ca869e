// Part of Front: what it asks itself, for faces whose clients speak otherwise (front_calls.h).
#include "io/http_head.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"

#include <array>
#include <utility>

namespace millrace::runtime::node {

std::uint64_t Front::ask(OwnRequest&& request, std::unique_ptr<OwnAnswer> answer) {
    const std::uint64_t id = next_passage_++;
    auto made = std::make_unique<Passage>(*this, *public_, id);
    made->server().give_to(std::move(answer));
    made->method = request.method;
    made->target = std::move(request.target);
    made->headers = request.caller->headers;
    for (auto& header : request.headers) made->headers.push_back(std::move(header));
    made->body = std::move(request.body);
    made->shown = request.caller->shown;
    made->query_key = request.caller->query_key;
    made->peer = request.caller->peer;
    made->client = request.caller->client;
    made->from_loopback = request.caller->from_loopback;
    made->only_who = request.only_who;
    made->deadline_ns = now_ns() + FrontLimits::kHoldNs;
    passages_.emplace(id, std::move(made));
    later([this, id] { begin_own(id); });
    return id;
}

void Front::begin_own(std::uint64_t id) {
    const auto found = passages_.find(id);
    if (found == passages_.end()) return;
    Passage& passage = *found->second;
    const std::string_view path =
        std::string_view(passage.target).substr(0, passage.target.find('?'));
    if (!io::percent_decode(path, io::PlusIsSpace::kNo, passage.path))
        return answer(passage, {core::ErrorCode::kValidation, "the id does not read"});
    passage.route = front_route(passage.method, passage.path);
    if (auto may = admits(); !may) return answer(passage, may.error());
    go_on(passage);
}

void Front::drop(std::uint64_t number) {
    const auto found = passages_.find(number);
    if (found != passages_.end()) finish(*found->second);
}

void Front::drained(std::uint64_t number) {
    const auto found = passages_.find(number);
    if (found != passages_.end() && found->second->streams()) found->second->drained();
}

core::Status Front::admits() const {
    if (routing_->initialized) return {};
    return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                  "the cluster has not been made yet: millrace cluster init")
                          .retry_after(5));
}

void Front::run_later() {
    std::vector<std::function<void()>> works;
    works.swap(later_);
    for (const auto& work : works) work();
}

// From here on it is a connection of theirs.
void Front::answer_by_sockets(Passage& passage) {
    FrontSockets::Asked asked;
    asked.token = passage.token;
    asked.method = passage.method;
    asked.target = passage.target;
    asked.headers = passage.headers;
    if (passage.upgrade) {
        asked.headers.emplace_back("Connection", "Upgrade");
        asked.headers.emplace_back("Upgrade", "websocket");
    }
    asked.body = passage.body;
    asked.caller = caller_of(passage);
    if (auto told = identity::read_principal(passage.who->principal))
        asked.principal = std::move(told->principal);
    asked.principal.taken_back =
        open_.watch(asked.caller, passage.who->principal, passage.who->at_ns);
    const bool is_graphql = passage.path == kGraphqlPath;
    finish(passage);
    if (is_graphql) return sockets_->open_graphql(std::move(asked));
    sockets_->open_events(std::move(asked));
}

CallerRef Front::caller_of(const Passage& passage) {
    auto caller = std::make_shared<Caller>();
    caller->headers = credentials_of(passage.headers);
    caller->shown = passage.shown;
    caller->query_key = passage.query_key;
    caller->peer = passage.peer;
    caller->client = passage.client;
    caller->from_loopback = passage.from_loopback;
    return caller;
}

// Of a call of gRPC, whose host stands in no header. What it says of its trace goes with its
// events.
CallerRef Front::caller_of(const io::Request& request) {
    auto caller = std::make_shared<Caller>();
    HeaderList headers = kept_headers(request.headers, false);
    std::erase_if(headers,
                  [](const auto& one) { return io::equals_ignore_case(one.first, "Host"); });
    headers.emplace_back("Host", request.host);
    caller->headers = credentials_of(headers);
    caller->shown = shown_of(caller->headers, request.peer, {});
    for (const auto& [name, value] : headers) {
        if (io::equals_ignore_case(name, "traceparent") ||
            io::equals_ignore_case(name, "tracestate"))
            caller->headers.emplace_back(name, value);
    }
    caller->peer = request.peer.to_string();
    caller->client = request.peer;
    caller->from_loopback = request.peer.is_loopback();
    return caller;
}

}  // namespace millrace::runtime::node
