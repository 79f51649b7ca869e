// What: what the connections to brokers have alike (NATS, MQTT): a socket whose bytes a reader of
//       the protocol cuts, a greeting before all else, and times: for the greeting, and for what
//       the peer owes. What the greeting is and what is owed, each says itself.
// Threads: one owner; looking up the host's name blocks it.
// Lifetime: borrows clock and rules; the texts of a frame live until the next call of turn().
// Limits: kGreetNs to be let in, however it drips; kAnswerNs for what the peer owes. What goes out
//         is bounded by its user (unsent()).
// Failure: error() says why it can not be used any more. What was on its way may have arrived.
#pragma once

#include "runtime/links/peer_socket.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>

namespace millrace::runtime {

// In the peer's own words.
struct PeerWords {
    std::string_view no_protocol;  // what the reader says follows
    std::string_view greets_late;
};

template <typename Reader>
class PeerConversation {
public:
    static constexpr std::int64_t kAnswerNs = 10'000'000'000;
    static constexpr std::int64_t kGreetNs = PeerSocket::kConnectNs + kAnswerNs;

    PeerConversation(const PeerConversation&) = delete;
    PeerConversation& operator=(const PeerConversation&) = delete;

    // Sends and reads, while nothing that was read waits to be taken.
    void turn() {
        if (!error_.empty()) return;
        if (waits_) return socket_.push();
        const std::string_view bytes = socket_.turn();
        const std::int64_t now_ns = clock_.monotonic_ns();
        if (!bytes.empty()) {
            heard_ns_ = now_ns;
            reader_.feed(bytes);
            waits_ = true;
        }
        if (!greeted_ && waits_) take_greeting();
        if (!socket_.error().empty() && !waits_) fail(socket_.error());
        // What has been read is looked at first.
        if (!error_.empty() || waits_) return;
        if (!greeted_ && now_ns - begun_ns_ > kGreetNs)
            return fail(std::string(words_.greets_late));
        look_at_time(now_ns);
    }
    void push() { socket_.push(); }

    bool open() const { return greeted_ && error_.empty(); }
    const std::string& error() const { return error_; }
    void waits_for(pollfd& fd) const { socket_.waits_for(fd); }
    std::size_t unsent() const { return socket_.unsent(); }

protected:
    PeerConversation(const core::Clock& clock, const courier::AddressRules& rules,
                     const std::string& host, std::int64_t port, const PeerWords& words,
                     const PeerTls& tls = {})
        : clock_(clock),
          words_(words),
          socket_(clock, rules, host, port, tls),
          begun_ns_(clock.monotonic_ns()),
          heard_ns_(begun_ns_) {}
    ~PeerConversation() = default;

    // Something was read and we are not let in yet.
    virtual void take_greeting() = 0;
    // Nothing waits: is something late, is something to be asked?
    virtual void look_at_time(std::int64_t now_ns) = 0;

    // False: there is none, or the peer does not speak its protocol.
    template <typename Frame>
    bool next_frame(Frame& frame) {
        const auto found = reader_.next(frame);
        if (found == Reader::Found::kBroken)
            fail(std::string(words_.no_protocol) + ": " + reader_.why_broken());
        if (found == Reader::Found::kNone) waits_ = false;
        return found != Reader::Found::kBroken && found != Reader::Found::kNone;
    }
    void let_in() { greeted_ = true; }
    bool greeted() const { return greeted_; }
    std::int64_t heard_ns() const { return heard_ns_; }
    std::string& out() { return socket_.out(); }
    void begin_tls(const PeerTls& tls) { socket_.begin_tls(tls); }
    std::int64_t now_ns() const { return clock_.monotonic_ns(); }
    void fail(std::string why) {
        if (error_.empty()) error_ = std::move(why);
    }
    void fail_late() { fail("no answer in " + std::to_string(kAnswerNs / 1'000'000'000) + " s"); }

private:
    const core::Clock& clock_;
    const PeerWords words_;
    PeerSocket socket_;
    Reader reader_;
    bool greeted_ = false;
    bool waits_ = false;  // something may have been read that was not taken
    const std::int64_t begun_ns_;
    std::int64_t heard_ns_ = 0;
    std::string error_;
};

}  // namespace millrace::runtime
