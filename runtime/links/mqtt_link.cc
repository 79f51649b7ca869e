#include "runtime/links/mqtt_link.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/misfit.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::uint16_t kMqttSubscribeId = 1;

// One that only looks is nobody whom the broker knows: two of one name end each other.
MqttPlace mqtt_place_of(const PeerDeps& deps, const Link& link, const LinkConfig& config) {
    MqttPlace out;
    out.host = config.host;
    out.port = config.port;
    out.user = config.user;
    out.password = config.password;
    if (!deps.probes) out.client_id = config.client.empty() ? "millrace-" + link.id : config.client;
    if (!deps.probes && link.direction == LinkDirection::kIn) {
        out.session_expiry_seconds = MqttSource::kSessionSeconds;
        out.receive_max = MqttSource::kReceiveMax;
    }
    return out;
}

bool read_received(std::string_view position, std::set<std::uint16_t>& out) {
    core::JsonDom dom;
    auto root = dom.parse(position);
    core::JsonElement member;
    core::JsonArray list;
    if (!root || !root->is_object()) return false;
    if (!root->find("received", member)) return true;
    if (!member.get(list)) return false;
    for (const core::JsonElement item : list) {
        std::int64_t id = 0;
        if (!item.get(id) || id < 1 || id > UINT16_MAX) return false;
        out.insert(static_cast<std::uint16_t>(id));
    }
    return true;
}

}  // namespace

// ---- the source

MqttSource::MqttSource(const PeerDeps& deps, const Link& link, const LinkConfig& config,
                       std::string_view position)
    : clock_(*deps.clock),
      config_(config),
      probes_(deps.probes),
      connection_(*deps.clock, *deps.rules, mqtt_place_of(deps, link, config)),
      begun_(!position.empty()),
      since_us_(deps.clock->wall_us()) {
    if (begun_ && !read_received(position, received_))
        stop("its position does not read: which packets were received is not known");
}

std::size_t MqttSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    if (connection_.open() && !std::exchange(asked_, connection_.open())) {
        if (probes_)
            listens_ = true;
        else
            begin_session();
        ++done;
    }
    io::MqttPacket packet;
    while (!trouble() && !batch.full() && connection_.next(packet)) {
        take(packet, batch);
        ++done;
    }
    if (std::exchange(moved_, false)) {
        batch.position = position_json();
        batch.acknowledges = kept_ + unkept_.size();
    }
    connection_.push();
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

void MqttSource::take(const io::MqttPacket& packet, SourceBatch& batch) {
    if (packet.kind == io::MqttPacket::Kind::kPublish) return take_message(packet, batch);
    if (packet.kind == io::MqttPacket::Kind::kPubrel) return take_release(packet.id);
    if (packet.kind != io::MqttPacket::Kind::kSuback || packet.id != kMqttSubscribeId) return;
    if (packet.reason >= io::kMqttFailed)
        return fail("the broker refuses the topic: " +
                    std::string(io::mqtt_reason_text(packet.reason)));
    begin_listening(batch);
}

// What was told while nobody was known is not kept anywhere.
void MqttSource::begin_listening(SourceBatch& batch) {
    listens_ = true;
    if (begun_ && !connection_.broker().session_there) {
        batch.gap = true;
        batch.missed_to = core::format_timestamp(since_us_);
    }
    batch.position = position_json();
}

// The ids of packets are a session's: in another one they are other messages'.
void MqttSource::begin_session() {
    if (!connection_.broker().session_there) received_.clear();
    connection_.subscribe(kMqttSubscribeId, config_.subject,
                          static_cast<std::uint8_t>(config_.qos));
}

// It goes out of the row before the broker may give its id to another message.
void MqttSource::take_release(std::uint16_t id) {
    moved_ = true;
    received_.erase(id);
    unkept_.push_back({Word::Kind::kComplete, id});
}

void MqttSource::take_message(const io::MqttPacket& packet, SourceBatch& batch) {
    moved_ = true;
    if (packet.qos == 1) unkept_.push_back({Word::Kind::kAck, packet.id});
    if (packet.qos == 2) {
        unkept_.push_back({Word::Kind::kReceived, packet.id});
        if (!received_.insert(packet.id).second) return;
    }
    subject_.assign(packet.topic);
    std::replace(subject_.begin(), subject_.end(), '/', '.');
    const std::size_t whole = packet.payload.size();
    const std::size_t kept = whole > kPoisonBytesKept + 2 ? kPoisonBytesKept : whole;
    batch.add(std::to_string(since_us_) + "-" + std::to_string(++count_),
              packet.payload.substr(0, kept), whole, clock_.wall_us(), subject_);
}

// In the order in which they came, as brokers want it.
void MqttSource::kept(std::uint64_t acknowledged) {
    if (!connection_.open()) return;
    for (; kept_ < acknowledged && !unkept_.empty(); ++kept_) {
        const Word word = unkept_.front();
        unkept_.pop_front();
        switch (word.kind) {
            case Word::Kind::kAck: connection_.acknowledge(word.id); break;
            case Word::Kind::kReceived: connection_.tell_received(word.id); break;
            case Word::Kind::kComplete: connection_.tell_complete(word.id); break;
        }
    }
    connection_.push();
}

std::string MqttSource::position_json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("since", core::format_timestamp(since_us_));
    json.field("count", count_);
    if (!received_.empty()) {
        json.key("received").begin_array();
        for (const std::uint16_t id : received_) json.value(id);
        json.end_array();
    }
    json.end_object();
    return out;
}

// ---- the sink

MqttSink::MqttSink(const PeerDeps& deps, const Link& link, const LinkConfig& config)
    : connection_(*deps.clock, *deps.rules, mqtt_place_of(deps, link, config)) {
    const std::size_t place = config.subject.find(kLinkPatternPlace);
    filled_ = place != std::string::npos;
    before_ = config.subject.substr(0, place);
    if (filled_) after_ = config.subject.substr(place + kLinkPatternPlace.size());
}

// Empty: it would be none.
std::string_view MqttSink::topic_of(std::string_view pattern) {
    if (!filled_) return before_;
    topic_.assign(before_).append(pattern);
    std::replace(topic_.begin() + static_cast<std::ptrdiff_t>(before_.size()), topic_.end(), '.',
                 '/');
    topic_.append(after_);
    if (!io::is_mqtt_topic(topic_, io::MqttWildcards::kRefused)) return {};
    return topic_;
}

void MqttSink::send(SinkText&& text) {
    const MqttBroker& broker = connection_.broker();
    const std::string_view topic = topic_of(text.pattern);
    const std::size_t bytes = io::mqtt_publish_bytes({topic, text.text, 1, false});
    std::string why;
    if (topic.empty())
        why = "the event's pattern makes no topic: a topic has no + and no #";
    else if (broker.qos_max == 0)
        why = "the broker takes no messages of QoS 1";
    else if (broker.packet_bytes_max != 0 && bytes > broker.packet_bytes_max)
        why = "has " + std::to_string(bytes) + " bytes; the broker takes packets of " +
              std::to_string(broker.packet_bytes_max);
    else if (bytes > io::kMqttPacketBytesMax)
        why = "is too large";
    if (!why.empty()) {
        refused_.push_back({text.ticket, std::move(why)});
    } else if (sent_.size() < broker.receive_max) {
        publish(text);
    } else {
        waiting_.push_back(std::move(text));
    }
}

void MqttSink::publish(const SinkText& text) {
    do ++last_id_;
    while (last_id_ == 0 || sent_.contains(last_id_));
    connection_.publish({topic_of(text.pattern), text.text, last_id_, false});
    sent_[last_id_] = text.ticket;
}

std::size_t MqttSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    const bool was_open = connection_.open();
    connection_.turn();
    std::size_t done = refused_.size() + (connection_.open() != was_open ? 1 : 0);
    for (SinkAnswer& one : refused_) answers.push_back(std::move(one));
    refused_.clear();
    io::MqttPacket packet;
    while (connection_.next(packet)) {
        ++done;
        const auto at = sent_.find(packet.id);
        if (packet.kind != io::MqttPacket::Kind::kPuback || at == sent_.end()) continue;
        std::string error;
        if (packet.reason >= io::kMqttFailed)
            error = "the broker refuses: " + std::string(io::mqtt_reason_text(packet.reason));
        answers.push_back({at->second, std::move(error)});
        sent_.erase(at);
    }
    if (!connection_.error().empty()) {
        fail(connection_.error());
        return done;
    }
    while (!waiting_.empty() && sent_.size() < connection_.broker().receive_max) {
        publish(waiting_.front());
        waiting_.pop_front();
        ++done;
    }
    connection_.push();
    return done;
}

}  // namespace millrace::runtime
