// What: the source and the sink of AMQP 0-9-1. The source reads a queue and acknowledges a message
//       when its event is durable here: what was not comes again, so that each comes at least once,
//       and once where it has a message-id, or its envelope an eventId. The sink publishes to an
//       exchange, done when the broker has confirmed it; what no queue takes comes back and fails.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: those of the client; kSinkTurnTexts under way of a sink.
// Failure: what the broker refuses is told as it says it, also why it has closed a channel.
#pragma once

#include "runtime/links/amqp_client.h"
#include "runtime/links/link_peer.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class AmqpSource final : public LinkSource {
public:
    // Of an event's id there is room for the link's as well.
    static constexpr std::size_t kMessageIdBytesMax = 128;

    AmqpSource(const PeerDeps& deps, const LinkConfig& config, std::unique_ptr<AmqpReader> reader);

    bool ready() const override { return listens_ && !trouble(); }
    std::size_t turn(SourceBatch& batch) override;
    void kept(std::uint64_t acknowledged) override;
    std::optional<std::uint64_t> lag() const override;
    std::string_view lag_unit() const override { return "messages"; }
    bool waits_for(pollfd& fd) const override;

private:
    void take(const AmqpMessage& message, SourceBatch& batch);
    std::string position_json() const;

    const core::Clock& clock_;
    const LinkConfig config_;
    std::unique_ptr<AmqpReader> reader_;
    const std::int64_t since_us_;
    bool listens_ = false;
    std::uint64_t count_ = 0;
    std::uint64_t last_tag_ = 0, kept_tag_ = 0;
    std::string id_;
};

class AmqpSink final : public LinkSink {
public:
    AmqpSink(const PeerDeps& deps, const LinkConfig& config, std::unique_ptr<AmqpWriter> writer);

    bool ready() const override {
        return writer_->open() && writer_->blocked_because().empty() && !trouble();
    }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return bytes_.size() + refused_.size(); }
    std::size_t unsent() const override { return pending_bytes_; }
    std::string_view waits_because() const override { return writer_->blocked_because(); }
    bool waits_for(pollfd& fd) const override;

private:
    std::string routing_key_of(std::string_view pattern) const;

    std::unique_ptr<AmqpWriter> writer_;
    std::string before_, after_;  // of the routing key, around the event's pattern
    bool filled_ = false;
    bool was_open_ = false;
    std::map<std::uint64_t, std::size_t> bytes_;  // by ticket
    std::size_t pending_bytes_ = 0;
    std::vector<SinkAnswer> refused_;  // before they went out
};

}  // namespace millrace::runtime
