// What: one HTTP/2 connection and the gRPC calls on it: who calls, for what, until when; messages
//       in, answers out. What they ask for is the host's (grpc_host.h): a batch of Publish comes
//       back through finish(), a subscription through write() and end().
// Threads: its host's, one. Lifetime: EdgeGrpc owns it; its context outlives it.
// Limits: io::Http2Limits; a call holds kHeldBytesMax of events that are not durable and of answers
//       that are not read, beyond which its client is given no more room, and one message in the
//       making; kStreamBytesMax wait to be read of a subscription, beyond which the log is read no
//       further for it. Answers that are asked for without being read end the call at
//       kUnreadBytesMax.
// Failure: told in the call's status; what breaks HTTP/2 ends the connection.
#pragma once

#include "io/http2_session.h"
#include "io/http_server.h"
#include "io/sized_pools.h"
#include "runtime/edge/grpc_host.h"
#include "runtime/grpc/frames.h"
#include "runtime/grpc/methods.h"
#include "runtime/grpc/publish_queue.h"
#include "runtime/grpc/status.h"
#include "runtime/identity/limits.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// What came of calls, since the start.
struct GrpcTally {
    static constexpr std::size_t kMethods = 7;  // of grpc::methods(), and one for none of them
    static constexpr std::size_t kCodes = 17;
    io::Http2Counters http2;
    std::array<std::array<std::uint64_t, kCodes>, kMethods> ended{};
    std::uint64_t ended_calls = 0;
    std::size_t open_calls = 0;
};

// What the connections of a host share.
struct GrpcContext {
    GrpcHost& host;
    io::Http2Limits http2 = {};
    std::size_t message_bytes_max = 4u << 20;
    std::int64_t idle_ms_max = 75'000;
    std::int64_t write_ms_max = 30'000;
    GrpcTally tally = {};
    std::unique_ptr<io::SizedPools> inflate_pools = {};  // made when somebody compresses
};

class GrpcConnection final : private io::Http2Handler {
public:
    static constexpr std::size_t kHeldBytesMax = 256u << 10;
    static constexpr std::size_t kStreamBytesMax = 64u << 10;
    static constexpr std::size_t kUnreadBytesMax = 4u << 20;

    GrpcConnection(GrpcContext& context, io::RequestToken token, const io::Peer& peer,
                   std::span<const std::string> peer_names);
    ~GrpcConnection() override;

    io::RequestToken token() const { return token_; }
    // False: what is to be sent is the last of it.
    bool take(std::string_view bytes, std::int64_t now_ns);
    void pull(std::string& out, std::size_t most) { session_.pull(out, most); }
    bool over() const;
    // Of messages that are half there, and of answers that nobody has read.
    std::size_t held_bytes() const { return kept_bytes_ + session_.unsent_bytes(); }
    // There is no room for messages that are half there, nor for answers that nobody reads.
    void free_room();
    // The server drains: no new calls, those that are there end.
    void go_away();
    // Deadlines, what is watched, whether somebody is there. Returns when to look again.
    std::int64_t look(std::int64_t now_ns);
    std::int64_t due_ns() const { return due_ns_; }

    // A subscription: its messages, in their frames.
    bool begin(std::uint32_t stream);
    io::WriteOutcome write(std::uint32_t stream, std::string_view frames);
    void end(std::uint32_t stream, const grpc::CallStatus& status);
    // A batch of Publish messages; null: its call is gone. With its Acks in it it is done.
    grpc::PublishQueue::Batch* find_batch(std::uint32_t stream, std::uint64_t number);
    void finish(std::uint32_t stream, grpc::PublishQueue::Batch& batch);
    // Who calls, where that was not known at once.
    void identified(std::uint32_t stream, core::Result<identity::Principal>&& principal);

private:
    struct Call {
        explicit Call(std::size_t message_bytes_max) : frames(message_bytes_max) {}
        const grpc::Method* method = nullptr;
        identity::Principal principal;
        std::string trace;
        grpc::FrameReader frames;
        grpc::PublishQueue queue;
        std::size_t owed_bytes = 0;  // came, and no room was given for them yet
        std::int64_t ended_ns = 0;
        std::int64_t deadline_ns = 0;  // 0: none
        // While it is being asked who calls: what came meanwhile.
        std::unique_ptr<io::Http2Request> waiting;
        std::string early;
        bool inflates = false;
        bool asked = false;  // by the one message of a call that takes one
        bool client_ended = false;
        bool ended = false;
        std::optional<grpc::CallStatus> ending;  // when what is under way is done
        std::string watched;                     // the service; asked: it is watched
        std::uint64_t told = 0;                  // its status that was told last
    };

    void on_request(std::uint32_t stream, io::Http2Request&& request) override;
    void on_data(std::uint32_t stream, std::string_view bytes) override;
    void on_end(std::uint32_t stream) override;
    void on_room(std::uint32_t stream) override;
    void on_closed(std::uint32_t stream) override;

    Call* find(std::uint32_t stream);
    io::RequestToken token_of(std::uint32_t stream) const {
        return {token_.connection, token_.generation, stream};
    }
    void admit(std::uint32_t stream, Call& call, io::Http2Request&& request);
    std::optional<core::Result<identity::Principal>> identify(std::uint32_t stream,
                                                              const io::Http2Request& request);
    core::Status pass_gate(Call& call, core::Result<identity::Principal>&& principal,
                           const io::Http2Request& request);
    core::Status begin_call(Call& call, const io::Http2Request& request);
    void admitted(std::uint32_t stream, Call& call, const core::Status& status);
    core::Status too_large() const;
    core::Status take_message(std::uint32_t stream, Call& call, bool compressed,
                              std::string_view message);
    core::Status take_plain(std::uint32_t stream, Call& call, std::string_view message);
    core::Status check_health(std::uint32_t stream, Call& call, std::string_view message);
    void start_gathered();
    void start_batch(std::uint32_t stream, Call& call);
    core::Status may_publish(const Call& call);
    void settle(std::uint32_t stream, Call& call);
    void give_room(std::uint32_t stream, Call& call);
    void respond(std::uint32_t stream);
    void say(std::uint32_t stream, std::string_view message);
    void end_call(std::uint32_t stream, Call& call, const grpc::CallStatus& status);
    void fail(std::uint32_t stream, Call& call, const core::Error& error) {
        end_call(stream, call, grpc::status_of(error));
    }
    void count_end(const Call& call, grpc::Code code);
    void refuse_http(std::uint32_t stream, std::string_view status);
    void cut_off(std::uint32_t stream, Call& call);
    std::uint64_t health_of(std::string_view service) const;
    void tell_health(std::uint32_t stream, Call& call);

    GrpcContext& context_;
    const io::RequestToken token_;
    const io::Peer peer_;
    const std::vector<std::string> peer_names_;
    identity::HeldConnection held_;
    io::Http2Session session_;
    std::map<std::uint32_t, Call> calls_;
    std::vector<std::uint32_t> gathered_;  // calls with messages to be taken in
    std::size_t kept_bytes_ = 0;           // of messages that are half there
    bool leaving_ = false;
    std::int64_t heard_ns_ = 0;
    std::int64_t pinged_ns_ = 0;
    std::int64_t idle_since_ns_ = 0;
    std::int64_t due_ns_ = 0;  // when to look again
    bool dead_ = false;        // it answers no ping
};

}  // namespace millrace::runtime
