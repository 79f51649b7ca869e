// What: the source and the sink of MQTT 5. The source has a session that the broker keeps while we
//       are away, and acknowledges a message when its event is durable here: what was not comes
//       again, so that each comes at least once, and once where it says its eventId itself. With
//       QoS 2 each comes once: the ids of packets that were received and not released are kept with
//       the position, in one commit with their events, whatever homes these have. A session that
//       the broker has lost is a gap. The sink publishes with QoS 1, done when the broker has
//       acknowledged it, or QoS 2, done when it has released it: what is under way when a
//       connection ends goes on in the next one, as long as the broker keeps the session. What is
//       known of it is in memory: a server that starts has a new session, and what was under way is
//       published once more.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: kReceiveMax messages that are not acknowledged: then the broker waits. A sink has as many
//         under way as the broker takes, kSinkTurnTexts at most.
// Failure: what the broker refuses is told as it says it.
#pragma once

#include "runtime/links/link_peer.h"
#include "runtime/links/mqtt_connection.h"
#include "runtime/links/mqtt_held.h"
#include "runtime/links/mqtt_under_way.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class MqttSource final : public LinkSource {
public:
    static constexpr std::uint16_t kReceiveMax = 2'000;
    static constexpr std::uint32_t kSessionSeconds = 30 * 86'400;
    static constexpr std::size_t kHeldShare = 8;
    static constexpr std::size_t kTurnPacketsMax = 16'384;

    MqttSource(const PeerDeps& deps, const Link& link, const LinkConfig& config,
               std::string_view position);

    bool ready() const override { return listens_ && !trouble(); }
    std::size_t turn(SourceBatch& batch) override;
    void kept(std::uint64_t acknowledged) override;
    // The broker does not say.
    std::optional<std::uint64_t> lag() const override { return std::nullopt; }
    std::string_view lag_unit() const override { return "messages"; }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    std::size_t read_on(SourceBatch& batch);
    void take(const io::MqttPacket& packet, SourceBatch& batch);
    void take_message(const io::MqttPacket& packet, SourceBatch& batch);
    void begin_session();
    void take_release(std::uint16_t id);
    void begin_listening(SourceBatch& batch);
    std::string position_json() const;
    std::string id_of(const io::MqttPacket& packet);

    const core::Clock& clock_;
    const LinkConfig config_;
    const bool probes_;
    const bool begun_;          // it has listened before
    const std::string client_;  // as the broker knows us, kept with the position
    MqttConnection connection_;
    const std::int64_t since_us_;
    bool asked_ = false;  // for the messages
    bool listens_ = false;
    std::uint64_t count_ = 0;
    // Of QoS 2: which of the session's messages; kept with the position.
    std::int64_t session_us_ = 0;
    std::uint64_t exact_ = 0;
    // What the broker is told once what led to it is durable.
    struct Word {
        enum class Kind : std::uint8_t { kAck, kReceived, kComplete } kind = Kind::kAck;
        std::uint16_t id = 0;
    };
    std::deque<Word> unkept_;
    std::uint64_t kept_ = 0;  // so many were
    MqttHeld held_;           // of QoS 2
    bool moved_ = false;      // the position, in this turn, whether a message came or none
    std::string subject_;
};

class MqttSink final : public LinkSink {
public:
    static constexpr std::uint32_t kSessionSeconds = 3'600;  // of QoS 2

    MqttSink(const PeerDeps& deps, const Link& link, const LinkConfig& config);

    bool ready() const override { return connection_.open() && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return under_way_->size() + known_.size(); }
    std::size_t unsent() const override {
        return std::max(connection_.unsent(), under_way_->bytes());
    }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    std::string_view topic_of(std::string_view pattern);
    std::string refusal_of(const SinkText& text, std::string_view topic) const;
    bool take(const io::MqttPacket& packet, std::vector<SinkAnswer>& answers);
    void push();

    const std::uint8_t qos_;
    std::shared_ptr<MqttUnderWay> under_way_;
    MqttConnection connection_;
    bool begun_ = false;          // it has let us in
    std::string before_, after_;  // of the topic, around the event's pattern
    bool filled_ = false;
    std::string topic_;
    std::vector<SinkAnswer> known_;  // answers that need nothing of the broker
};

}  // namespace millrace::runtime
