// What: a connection to a NATS server that has let us in: what is published, subscribed to and
//       asked goes out, messages and answers come in. It knows nothing of streams: their calls are
//       requests. Whoever needs NATS (links, a cluster's log) stands on it.
//       A server that is silent for kQuietNs is asked whether it is there.
// Threads, lifetime, limits and failure: of peer_conversation.h.
#pragma once

#include "io/nats_codec.h"
#include "runtime/links/peer_conversation.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct NatsPlace {
    std::string host;
    std::int64_t port = 4222;
    std::string user, password;
    std::string token;
    PeerTls tls{};
};

// What INFO says.
struct NatsServer {
    std::string version;
    std::size_t message_bytes_max = 1u << 20;
    bool headers = false;
    bool wants_tls = false, offers_tls = false;
};

struct NatsMessage {
    std::uint64_t sid = 0;  // of subscribe(); of an answer 0
    std::uint64_t tag = 0;  // of request()
    std::string_view subject, reply, headers, payload;

    io::NatsStatus status() const { return io::nats_status(headers); }
    // Nobody takes what was asked.
    bool nobody_there() const { return payload.empty() && status().code == 503; }
};

class NatsConnection final : public PeerConversation<io::NatsReader> {
public:
    static constexpr std::int64_t kQuietNs = 20'000'000'000;

    NatsConnection(const core::Clock& clock, const courier::AddressRules& rules,
                   const NatsPlace& place);

    // The next message or answer.
    bool next(NatsMessage& out);

    const NatsServer& server() const { return server_; }

    // All below only while open(). `sid` is the caller's, from 1 on.
    void subscribe(std::uint64_t sid, std::string_view subject);
    void unsubscribe(std::uint64_t sid);
    void publish(const io::NatsPublish& what);
    // Its answer comes with the tag; without one in time the connection is given up.
    void request(std::uint64_t tag, io::NatsPublish what);
    std::size_t unanswered() const { return unanswered_; }
    // What was published before has been taken when flushed() has come so far.
    std::uint64_t flush();
    std::uint64_t flushed() const { return pongs_; }
    // A subject that nobody else has.
    std::string inbox(std::string_view name) const { return inbox_ + "." + std::string(name); }

private:
    struct Asked {
        std::uint64_t tag = 0;
        std::int64_t at_ns = 0;
        bool answered = false;
    };
    void ping();
    void take_greeting() override;
    void greet(std::string_view info);
    void take_info(std::string_view info);
    void take_error(std::string_view words) { fail("the server refuses: " + std::string(words)); }
    bool take_answer(NatsMessage& out);
    void look_at_time(std::int64_t now_ns) override;

    const NatsPlace place_;
    NatsServer server_;
    std::string inbox_;
    bool said_hello_ = false;  // CONNECT went out
    std::uint64_t pings_ = 0, pongs_ = 0;
    std::int64_t pinged_ns_ = 0;  // the first that is not answered
    std::deque<Asked> asked_;
    std::uint64_t first_asked_ = 0;  // the number of the first of them
    std::size_t unanswered_ = 0;
};

}  // namespace millrace::runtime
