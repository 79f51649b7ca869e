// What: the source and the sink of MQTT 5. The source has a session that the broker keeps while we
//       are away, and acknowledges a message when its event is durable here: what was not comes
//       again, so that each comes at least once, and once where it says its eventId itself. With
//       QoS 2 each comes once: the ids of packets that were received and not released are kept
//       with the position, in the commit of their events. A session that the broker has lost is a
//       gap. The sink publishes with QoS 1, done when the broker has acknowledged it.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: kReceiveMax messages that are not acknowledged: then the broker waits. A sink has as many
//         under way as the broker takes, kSinkTurnTexts at most.
// Failure: what the broker refuses is told as it says it.
#pragma once

#include "runtime/links/link_peer.h"
#include "runtime/links/mqtt_connection.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class MqttSource final : public LinkSource {
public:
    static constexpr std::uint16_t kReceiveMax = 2'000;
    static constexpr std::uint32_t kSessionSeconds = 30 * 86'400;

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
    void take(const io::MqttPacket& packet, SourceBatch& batch);
    void take_message(const io::MqttPacket& packet, SourceBatch& batch);
    void begin_session();
    void take_release(std::uint16_t id);
    void begin_listening(SourceBatch& batch);
    std::string position_json() const;

    const core::Clock& clock_;
    const LinkConfig config_;
    const bool probes_;
    MqttConnection connection_;
    const bool begun_;  // it has listened before
    const std::int64_t since_us_;
    bool asked_ = false;  // for the messages
    bool listens_ = false;
    std::uint64_t count_ = 0;
    // What the broker is told once what led to it is durable.
    struct Word {
        enum class Kind : std::uint8_t { kAck, kReceived, kComplete } kind = Kind::kAck;
        std::uint16_t id = 0;
    };
    std::deque<Word> unkept_;
    std::uint64_t kept_ = 0;  // so many were
    // Packets of QoS 2 that were received and are not released: one of them that comes again is
    // no further message.
    std::set<std::uint16_t> received_;
    bool moved_ = false;  // the position, in this turn, whether a message came or none
    std::string subject_;
};

class MqttSink final : public LinkSink {
public:
    MqttSink(const PeerDeps& deps, const Link& link, const LinkConfig& config);

    bool ready() const override { return connection_.open() && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override {
        return waiting_.size() + sent_.size() + refused_.size();
    }
    std::size_t unsent() const override { return connection_.unsent(); }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    std::string_view topic_of(std::string_view pattern);
    void publish(const SinkText& text);

    MqttConnection connection_;
    std::string before_, after_;  // of the topic, around the event's pattern
    bool filled_ = false;
    std::string topic_;
    std::deque<SinkText> waiting_;                 // for the broker to take more
    std::map<std::uint16_t, std::uint64_t> sent_;  // tickets, by packet
    std::uint16_t last_id_ = 0;
    std::vector<SinkAnswer> refused_;  // before they went out
};

}  // namespace millrace::runtime
