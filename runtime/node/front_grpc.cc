#include "runtime/node/front_grpc.h"

#include "runtime/grpc/methods.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/ingest_acks.h"
#include "runtime/node/told_error.h"

#include <memory>
#include <utility>

namespace millrace::runtime::node {

class FrontGrpc::WhoAnswer final : public OwnAnswer {
public:
    WhoAnswer(FrontGrpc& grpc, io::RequestToken call) : grpc_(grpc), call_(call) {}
    void whole(int status, std::string_view body) override {
        grpc_.identified(call_, status, body);
    }

private:
    FrontGrpc& grpc_;
    const io::RequestToken call_;
};

class FrontGrpc::BatchAnswer final : public OwnAnswer {
public:
    BatchAnswer(FrontGrpc& grpc, io::RequestToken call) : grpc_(grpc), call_(call) {}
    void whole(int status, std::string_view body) override { grpc_.published(call_, status, body); }

private:
    FrontGrpc& grpc_;
    const io::RequestToken call_;
};

FrontGrpc::FrontGrpc(FrontCalls& calls, CallerOf caller_of)
    : calls_(calls),
      caller_of_(std::move(caller_of)),
      tail_({.calls = &calls,
             .caller =
                 [this](io::RequestToken token) {
                     const Call* const call = find(token);
                     return call ? call->caller : CallerRef();
                 },
             .begin = {},
             .refuse = {},
             .write = [this](io::RequestToken token,
                             std::string_view frames) { return connections_.write(token, frames); },
             .end = {}}),
      streams_({.tail = &tail_,
                .begin =
                    [this](core::ShardId /*edge*/, io::RequestToken call) {
                        if (!connections_.begin(call)) tail_.closed(call);
                    },
                .end = [this](core::ShardId /*edge*/, io::RequestToken call,
                              const grpc::CallStatus& status) { connections_.end(call, status); }}),
      connections_(*this) {}

FrontGrpc::Call* FrontGrpc::find(io::RequestToken call) {
    const auto found = open_.find(key_of(call));
    return found == open_.end() ? nullptr : &found->second;
}

// ---- who calls

std::optional<core::Result<identity::Principal>> FrontGrpc::identify(io::RequestToken call,
                                                                     const io::Request& request) {
    const grpc::Method* const method = grpc::find_method(request.path);
    if (method && method->scope == identity::Scope::kPublic) return identity::Principal();
    Call& open = open_[key_of(call)];
    open.caller = caller_of_(request);
    OwnRequest own;
    own.caller = open.caller;
    own.target = "/v2/events";
    own.only_who = true;
    open.asked = calls_.ask(std::move(own), std::make_unique<WhoAnswer>(*this, call));
    return {};
}

void FrontGrpc::identified(io::RequestToken token, int status, std::string_view body) {
    Call* const call = find(token);
    if (!call) return;
    call->asked = 0;
    if (status != 200) {
        connections_.identified(token, core::fail(read_error_body(body)));
        return;
    }
    auto told = identity::read_principal(body);
    if (!told) return connections_.identified(token, core::fail(std::move(told.error())));
    told->principal.taken_back = calls_.watch(call->caller, std::string(body));
    connections_.identified(token, std::move(told->principal));
}

void FrontGrpc::call_closed(io::RequestToken token) {
    const auto found = open_.find(key_of(token));
    if (found == open_.end()) return;
    // Events that are on their way go on; nobody hears of them.
    const std::uint64_t asked = found->second.publishing == 0 ? found->second.asked : 0;
    open_.erase(found);
    if (asked != 0) calls_.drop(asked);
}

// ---- Publish

void FrontGrpc::publish(const GrpcCaller& caller, grpc::PublishQueue::Batch& batch) {
    Call* const call = find(caller.call);
    if (!call) return;
    if (batch.events == 0) {
        // Nothing is sent, and messages without events are acknowledged too.
        connections_.finish(caller.call, batch.number, [](grpc::PublishQueue::Batch& empty) {
            return make_acks_of(202, R"({"rejected":[]})", empty);
        });
        return;
    }
    call->waiting.push_back({batch.number, std::exchange(batch.lines, {})});
    send_next(caller.call, *call);
}

void FrontGrpc::send_next(io::RequestToken token, Call& call) {
    if (call.publishing != 0 || call.waiting.empty()) return;
    Waiting next = std::move(call.waiting.front());
    call.waiting.pop_front();
    OwnRequest own;
    own.caller = call.caller;
    own.method = io::Method::kPost;
    own.target = "/v2/events";
    own.headers.emplace_back("Content-Type", "application/x-ndjson");
    io::BodyWriter body = calls_.body_writer();
    body.append(next.lines);
    own.body = body.take();
    call.publishing = next.number;
    call.asked = calls_.ask(std::move(own), std::make_unique<BatchAnswer>(*this, token));
}

void FrontGrpc::published(io::RequestToken token, int status, std::string_view body) {
    Call* call = find(token);
    if (!call) return;
    const std::uint64_t number = std::exchange(call->publishing, 0);
    call->asked = 0;
    bool goes_on = true;
    connections_.finish(token, number, [&](grpc::PublishQueue::Batch& batch) {
        auto ends = make_acks_of(status, body, batch);
        goes_on = !ends;
        return ends;
    });
    call = find(token);
    if (!call) return;
    // Behind what may have been taken nothing is sent that its client was told nothing of.
    if (!goes_on) call->waiting.clear();
    send_next(token, *call);
}

// ---- Subscribe

bool FrontGrpc::open_subscription(io::RequestToken call, const identity::Principal& principal,
                                  grpc::SubscribeAsk&& ask) {
    streams_.open(core::ShardId(0), call, principal, std::move(ask));
    return true;
}

}  // namespace millrace::runtime::node
