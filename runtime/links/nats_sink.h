// What: the sinks of NATS. Into a stream (JetStream): a message with an id for the server's window
//       of duplicates, done when the stream has acknowledged it. To a subject (core): done when the
//       server has answered a PING behind it; whether anybody listened nobody knows.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: kSinkTurnTexts under way, kSinkUnsentMax bytes of them unsent; a message of what the
//         server takes.
// Failure: what the server refuses is told as it says it, by text where it does so by text.
#pragma once

#include "runtime/links/link_peer.h"
#include "runtime/links/nats_connection.h"
#include "runtime/links/nats_jetstream.h"

#include <deque>
#include <string>
#include <vector>

namespace millrace::runtime {

// Where an event goes: the subject of the link, "{pattern}" in it being the event's.
class NatsSinkSubject {
public:
    explicit NatsSinkSubject(const std::string& subject);
    // Empty: it would be none.
    std::string_view of(std::string_view pattern);

private:
    std::string before_, after_;
    bool filled_ = false;  // it has a place for the pattern
    std::string subject_;
};

class NatsStreamSink final : public LinkSink {
public:
    NatsStreamSink(const PeerDeps& deps, const LinkConfig& config);

    bool ready() const override { return there_ && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return pending_; }
    std::size_t unsent() const override { return connection_.unsent(); }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    void take(const NatsMessage& message, std::vector<SinkAnswer>& answers);
    std::string refused(const NatsMessage& message);

    const LinkConfig config_;
    NatsConnection connection_;
    NatsAnswers answers_of_;
    NatsSinkSubject subject_;
    bool asked_ = false;  // for the stream
    bool there_ = false;
    std::size_t pending_ = 0;
    std::vector<SinkAnswer> refused_;  // before they went out
};

class NatsSubjectSink final : public LinkSink {
public:
    NatsSubjectSink(const PeerDeps& deps, const LinkConfig& config);

    bool ready() const override { return connection_.open() && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return sent_.size() + refused_.size(); }
    std::size_t unsent() const override { return connection_.unsent(); }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    struct Sent {
        std::uint64_t ticket = 0;
        std::uint64_t flush = 0;  // behind it; 0: none yet
    };
    NatsConnection connection_;
    NatsSinkSubject subject_;
    std::deque<Sent> sent_;
    std::size_t unflushed_ = 0;  // of them, at the end
    std::vector<SinkAnswer> refused_;
};

}  // namespace millrace::runtime
