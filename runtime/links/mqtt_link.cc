#include "runtime/links/mqtt_link.h"

#include "core/hex.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/key_hash.h"
#include "core/timestamp.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/misfit.h"
#include "runtime/event/tenant_names.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::uint16_t kMqttSubscribeId = 1;
constexpr std::string_view kMqttOldSession =
    "the broker has kept a session that is not of use; it forgets it, and we come again";

// Links of several servers may have one id, and of several tenants; in none stands a slash. Without
// a mark it is what links were called before there were any.
std::string mqtt_client_of(std::uint64_t mark, const Link& link, const LinkConfig& config) {
    if (!config.client.empty()) return config.client;
    std::string out = "millrace-";
    if (mark != 0) {
        core::append_hex(out, mark & UINT32_MAX, 8);
        out += '-';
    }
    const std::string_view tenant = tenant_name(link.tenant);
    if (tenant != kDefaultTenantName) out.append(tenant).append("/");
    return out.append(link.id);
}

// The session is that client's: it stays what it was when the position was made.
std::string mqtt_source_client(const PeerDeps& deps, const Link& link, const LinkConfig& config,
                               std::string_view position) {
    if (position.empty()) return mqtt_client_of(deps.server_mark, link, config);
    core::JsonDom dom;
    const auto root = dom.parse(position);
    core::JsonElement member;
    std::string_view name;
    const bool named = config.client.empty() && root && root->is_object() &&
                       root->find("client", member) && member.get(name);
    return named ? std::string(name) : mqtt_client_of(0, link, config);
}

// Of a sink that several partitions have each: a broker ends one of two of the same name.
std::string mqtt_sink_client(const PeerDeps& deps, const Link& link, const LinkConfig& config) {
    std::string out = mqtt_client_of(deps.server_mark, link, config);
    if (deps.partition) out.append("/p").append(std::to_string(*deps.partition));
    return out;
}

// One that only looks is nobody whom the broker knows: two of one name end each other.
MqttPlace mqtt_place_of(const PeerDeps& deps, const Link& link, const LinkConfig& config,
                        const std::string& client) {
    MqttPlace out;
    out.host = config.host;
    out.port = config.port;
    out.user = config.user;
    out.password = config.password;
    out.tls = {config.tls, config.ca};
    if (!deps.probes) out.client_id = client;
    if (!deps.probes && link.direction == LinkDirection::kIn) {
        out.session_expiry_seconds = MqttSource::kSessionSeconds;
        out.receive_max = MqttSource::kReceiveMax;
    }
    return out;
}

MqttPlace mqtt_place_of_sink(const PeerDeps& deps, const Link& link, const LinkConfig& config) {
    MqttPlace out = mqtt_place_of(deps, link, config, mqtt_sink_client(deps, link, config));
    if (deps.probes || config.qos < 2) return out;
    out.session_expiry_seconds = MqttSink::kSessionSeconds;
    return out;
}

// What earlier sinks of the link have left, or what this one begins with.
std::shared_ptr<MqttUnderWay> mqtt_under_way_of(const PeerDeps& deps, const Link& link,
                                                const LinkConfig& config) {
    const std::string place = config.host + ":" + std::to_string(config.port) + " " + config.user +
                              " " + mqtt_sink_client(deps, link, config);
    const bool keeps = deps.sink_memory && !deps.probes && config.qos == 2;
    auto found = keeps ? std::dynamic_pointer_cast<MqttUnderWay>(*deps.sink_memory) : nullptr;
    if (!found || found->place() != place) found = std::make_shared<MqttUnderWay>(place);
    if (keeps) *deps.sink_memory = found;
    found->begin_connection();
    return found;
}

std::uint64_t hash_of(const io::MqttPacket& packet) {
    return core::hash_key(packet.payload) ^ core::hash_key(packet.topic);
}
std::uint32_t mark_of(const io::MqttPacket& packet) {
    return static_cast<std::uint32_t>(hash_of(packet) >> (64 - MqttHeld::kMarkBits));
}

// What it knows of the session whose packets have ids.
bool read_session(std::string_view position, MqttHeld& held, std::int64_t& session_us,
                  std::uint64_t& exact) {
    core::JsonDom dom;
    const auto root = dom.parse(position);
    core::JsonElement member;
    if (!root || !root->is_object()) return false;
    if (root->find("session", member) && !member.get(session_us)) return false;
    if (root->find("exact", member) && !member.get(exact)) return false;
    return held.read(*root);
}

}  // namespace

// ---- the source

MqttSource::MqttSource(const PeerDeps& deps, const Link& link, const LinkConfig& config,
                       std::string_view position)
    : clock_(*deps.clock),
      config_(config),
      probes_(deps.probes),
      begun_(!position.empty()),
      client_(mqtt_source_client(deps, link, config, position)),
      connection_(*deps.clock, *deps.rules, mqtt_place_of(deps, link, config, client_)),
      since_us_(deps.clock->wall_us()) {
    if (begun_ && !read_session(position, held_, session_us_, exact_))
        stop("its position does not read: which packets were received is not known");
}

std::size_t MqttSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    // A position tells of all that is held: where that is much, it is for as much in one.
    const std::size_t worth = std::min(held_.size() / kHeldShare, kTurnPacketsMax);
    std::size_t done = 0, before = 0;
    do {
        before = done;
        done += read_on(batch);
    } while (done > before && done < worth && !batch.full() && !trouble());
    if (std::exchange(moved_, false)) {
        batch.position = position_json();
        batch.acknowledges = kept_ + unkept_.size();
    }
    batch.whole = config_.qos == 2;
    connection_.push();
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

std::size_t MqttSource::read_on(SourceBatch& batch) {
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
    // Whoever has never listened has no session: it is that of a link which is gone, with its
    // topics. By a farewell, for mosquitto writes down no session that began with a clean start.
    if (!begun_ && connection_.broker().session_there) {
        connection_.forget_session();
        return fail(std::string(kMqttOldSession));
    }
    if (!connection_.broker().session_there) {
        held_.clear();
        session_us_ = since_us_;
        exact_ = 0;
    }
    connection_.subscribe(kMqttSubscribeId, config_.subject,
                          static_cast<std::uint8_t>(config_.qos));
}

// It goes out of the row before the broker may give its id to another message.
void MqttSource::take_release(std::uint16_t id) {
    moved_ = true;
    const bool next_is_due = held_.release(id);
    unkept_.push_back({Word::Kind::kComplete, id});
    if (next_is_due) unkept_.push_back({Word::Kind::kReceived, id});
}

void MqttSource::take_message(const io::MqttPacket& packet, SourceBatch& batch) {
    moved_ = true;
    if (packet.qos == 1) unkept_.push_back({Word::Kind::kAck, packet.id});
    if (packet.qos == 2) {
        const MqttHeld::Taken taken = held_.take(packet.id, mark_of(packet), packet.again);
        if (taken.refused) {
            return fail("the broker has " + std::to_string(MqttHeld::kEntriesMax) +
                        " messages in flight and sends more, where it was asked for " +
                        std::to_string(kReceiveMax) +
                        " at once: bound what waits in it (mosquitto: max_queued_messages)");
        }
        if (taken.answers) unkept_.push_back({Word::Kind::kReceived, packet.id});
        if (!taken.is_new) return;
    }
    subject_.assign(packet.topic);
    std::replace(subject_.begin(), subject_.end(), '/', '.');
    const std::size_t whole = packet.payload.size();
    const std::size_t kept = whole > kPoisonBytesKept + 2 ? kPoisonBytesKept : whole;
    batch.add(id_of(packet), packet.payload.substr(0, kept), whole, clock_.wall_us(), subject_);
}

// Of QoS 2 a session's numbers: what the position knows of is no event when it comes again, and of
// what it does not know of there is none.
std::string MqttSource::id_of(const io::MqttPacket& packet) {
    if (packet.qos < 2) return std::to_string(since_us_) + "-" + std::to_string(++count_);
    return std::to_string(session_us_) + "-" + std::to_string(++exact_) + "-" +
           std::to_string(hash_of(packet));
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
    json.field("count", count_).field("client", client_);
    if (session_us_ > 0) json.field("session", session_us_).field("exact", exact_);
    held_.write(json);
    json.end_object();
    return out;
}

// ---- the sink

MqttSink::MqttSink(const PeerDeps& deps, const Link& link, const LinkConfig& config)
    : qos_(static_cast<std::uint8_t>(config.qos)),
      under_way_(mqtt_under_way_of(deps, link, config)),
      connection_(*deps.clock, *deps.rules, mqtt_place_of_sink(deps, link, config)) {
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

// Empty: it may go out.
std::string MqttSink::refusal_of(const SinkText& text, std::string_view topic) const {
    const MqttBroker& broker = connection_.broker();
    if (topic.empty()) return "the event's pattern makes no topic: a topic has no + and no #";
    const std::size_t bytes = io::mqtt_publish_bytes({topic, text.text, 1, false});
    if (broker.packet_bytes_max != 0 && bytes > broker.packet_bytes_max)
        return "has " + std::to_string(bytes) + " bytes; the broker takes packets of " +
               std::to_string(broker.packet_bytes_max);
    if (bytes > io::kMqttPacketBytesMax) return "is too large";
    return {};
}

void MqttSink::send(SinkText&& text) {
    const auto found =
        qos_ == 2 ? under_way_->find(text.delivery, text.ticket) : MqttUnderWay::Found::kNew;
    if (found == MqttUnderWay::Found::kUnderWay) return;
    if (found == MqttUnderWay::Found::kArrived) {
        known_.push_back({text.ticket, {}});
        return;
    }
    const std::string_view topic = topic_of(text.pattern);
    if (std::string why = refusal_of(text, topic); !why.empty()) {
        known_.push_back(never_goes(std::move(text), std::move(why)));
        return;
    }
    under_way_->add(std::move(text), topic);
    push();
}

// What the broker still takes.
void MqttSink::push() {
    while (const auto* packet = under_way_->next(connection_.broker().receive_max)) {
        if (packet->received)
            connection_.release(packet->id);
        else
            connection_.publish({packet->topic, packet->text, packet->id, packet->again, qos_});
    }
}

// False: it is about nothing of ours.
bool MqttSink::take(const io::MqttPacket& packet, std::vector<SinkAnswer>& answers) {
    using Kind = io::MqttPacket::Kind;
    const bool failed = packet.reason >= io::kMqttFailed;
    if (packet.kind == Kind::kPubrec && !failed) {
        (void)under_way_->receive(packet.id);
        connection_.release(packet.id);  // also what is not known: the broker waits for it
        return true;
    }
    const bool complete = packet.kind == Kind::kPubcomp;
    if (!complete && packet.kind != Kind::kPuback && packet.kind != Kind::kPubrec) return false;
    // One that is complete and not known to the broker has been released before.
    const bool refused = failed && !complete;
    const auto ended = under_way_->end(packet.id, !refused);
    if (!ended.ticket) return ended.known;
    std::string error;
    if (refused) error = "the broker refuses: " + std::string(io::mqtt_reason_text(packet.reason));
    answers.push_back({*ended.ticket, std::move(error)});
    return true;
}

std::size_t MqttSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    connection_.turn();
    std::size_t done = known_.size();
    for (SinkAnswer& one : known_) answers.push_back(std::move(one));
    known_.clear();
    if (connection_.open() && !std::exchange(begun_, connection_.open())) {
        const MqttBroker& broker = connection_.broker();
        // Of before this server's start nobody knows which ids are in use.
        if (qos_ == 2 && broker.session_there && !under_way_->was_let_in()) {
            connection_.forget_session();
            fail(std::string(kMqttOldSession));
            return done;
        }
        under_way_->let_in(broker.session_there);
        if (broker.qos_max < qos_)
            fail("the broker takes no messages of QoS " + std::to_string(qos_));
        ++done;
    }
    io::MqttPacket packet;
    while (connection_.next(packet)) done += take(packet, answers);
    if (!connection_.error().empty()) {
        fail(connection_.error());
        return done;
    }
    if (begun_) push();
    connection_.push();
    return done;
}

}  // namespace millrace::runtime
