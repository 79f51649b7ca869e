// What: gRPC at the front of a node: its connections are those of a server (runtime/edge), and what
//       they ask for the front asks itself: who calls, POST /v2/events for each batch, one at a
//       time of a call so that its events keep their order, and streams of front_tail.h.
// Threads: the front's. Lifetime: the front's; the HTTP server outlives it.
// Limits: those of GrpcConnection and of the front.
// Failure: a batch that may have been taken ends its call with UNKNOWN, one that was not with
//          UNAVAILABLE; of entries that some owners have refused their Acks say so.
#pragma once

#include "runtime/edge/edge_grpc.h"
#include "runtime/edge/grpc_host.h"
#include "runtime/grpc/grpc_streams.h"
#include "runtime/node/front_calls.h"
#include "runtime/node/front_tail.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace millrace::runtime::node {

class FrontGrpc final : public GrpcHost {
public:
    // Who a request's client is, as far as it shows.
    using CallerOf = std::function<CallerRef(const io::Request&)>;
    FrontGrpc(FrontCalls& calls, CallerOf caller_of);

    EdgeGrpc& connections() { return connections_; }
    void look(std::int64_t now_ns) { tail_.look(now_ns); }
    bool waits() const { return tail_.waits(); }

    const core::Clock& clock() const override { return calls_.clock(); }
    bool draining() const override { return calls_.ends(); }
    core::Status admit() override { return calls_.admits(); }
    std::optional<core::Result<identity::Principal>> identify(io::RequestToken call,
                                                              const io::Request& request) override;
    bool counts_connections() const override { return false; }
    // Whoever judges has noted it.
    void note(const core::Error& /*error*/, const identity::Principal& /*principal*/,
              const io::Peer& /*peer*/, std::string_view /*path*/) override {}
    void publish(const GrpcCaller& caller, grpc::PublishQueue::Batch& batch) override;
    bool open_subscription(io::RequestToken call, const identity::Principal& principal,
                           grpc::SubscribeAsk&& ask) override;
    // Its connection is being written to just now.
    void stream_drained(io::RequestToken call) override {
        calls_.later([this, call] { tail_.drained(call); });
    }
    void stream_closed(io::RequestToken call) override { tail_.closed(call); }
    void call_closed(io::RequestToken call) override;

private:
    class WhoAnswer;
    class BatchAnswer;
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
    struct Waiting {
        std::uint64_t number = 0;
        std::string lines;
    };
    struct Call {
        CallerRef caller;
        std::uint64_t asked = 0;       // of the front; 0: nothing
        std::uint64_t publishing = 0;  // the batch's number
        std::deque<Waiting> waiting;
    };
    static Key key_of(io::RequestToken call) {
        return {call.connection, call.generation, call.sequence};
    }
    Call* find(io::RequestToken call);
    void identified(io::RequestToken call, int status, std::string_view body);
    void send_next(io::RequestToken token, Call& call);
    void published(io::RequestToken call, int status, std::string_view body);

    FrontCalls& calls_;
    const CallerOf caller_of_;
    std::map<Key, Call> open_;
    FrontTail tail_;
    grpc::GrpcStreams streams_;
    EdgeGrpc connections_;  // the first to go: its calls say so
};

}  // namespace millrace::runtime::node
