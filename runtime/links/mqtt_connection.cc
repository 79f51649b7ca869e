#include "runtime/links/mqtt_connection.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

using io::MqttPacket;
using io::MqttReader;

constexpr std::int64_t kMqttSecondNs = 1'000'000'000;

std::string mqtt_refusal(const MqttPacket& packet) {
    std::string out(io::mqtt_reason_text(packet.reason));
    if (!packet.reason_words.empty()) out.append(": ").append(packet.reason_words.substr(0, 256));
    return out;
}

}  // namespace

MqttConnection::MqttConnection(const core::Clock& clock, const courier::AddressRules& rules,
                               const MqttPlace& place)
    : clock_(clock),
      socket_(clock, rules, place.host, place.port),
      keep_alive_ns_(kKeepAliveSeconds * kMqttSecondNs),
      begun_ns_(clock.monotonic_ns()),
      heard_ns_(begun_ns_) {
    io::append_mqtt_connect(socket_.out(), {.client_id = place.client_id,
                                            .user = place.user,
                                            .password = place.password,
                                            .keep_alive_seconds = kKeepAliveSeconds,
                                            .session_expiry_seconds = place.session_expiry_seconds,
                                            .receive_max = place.receive_max,
                                            .clean = place.session_expiry_seconds == 0});
}

void MqttConnection::turn() {
    if (!error_.empty()) return;
    if (waits_) return socket_.push();
    const std::string_view bytes = socket_.turn();
    if (!bytes.empty()) {
        heard_ns_ = clock_.monotonic_ns();
        reader_.feed(bytes);
        waits_ = true;
    }
    if (!greeted_) take_greeting();
    if (!socket_.error().empty() && !waits_) fail(socket_.error());
    look_at_time();
}

// CONNACK, before anything else comes.
void MqttConnection::take_greeting() {
    if (!waits_) return;
    MqttPacket packet;
    const auto found = reader_.next(packet);
    if (found == MqttReader::Found::kBroken)
        return fail("what the broker says is not MQTT: " + reader_.why_broken());
    if (found == MqttReader::Found::kNone) {
        waits_ = false;
        return;
    }
    if (packet.kind != MqttPacket::Kind::kConnack)
        return fail("the broker has said something before it let us in");
    if (packet.reason >= io::kMqttFailed)
        return fail("the broker refuses: " + mqtt_refusal(packet));
    broker_ = {packet.session_there, packet.receive_max, packet.packet_bytes_max, packet.qos_max};
    if (packet.receive_max == 0) return fail("the broker takes no messages at all");
    if (packet.keep_alive_seconds != 0) keep_alive_ns_ = packet.keep_alive_seconds * kMqttSecondNs;
    greeted_ = true;
    asked_ns_ = clock_.monotonic_ns();
}

bool MqttConnection::next(MqttPacket& out) {
    while (open()) {
        const auto found = reader_.next(out);
        if (found == MqttReader::Found::kBroken)
            fail("what the broker says is not MQTT: " + reader_.why_broken());
        if (found != MqttReader::Found::kPacket) {
            waits_ = false;
            return false;
        }
        switch (out.kind) {
            case MqttPacket::Kind::kPingresp: pinged_ns_ = 0; break;
            case MqttPacket::Kind::kDisconnect:
                fail("the broker has ended the connection: " + mqtt_refusal(out));
                break;
            case MqttPacket::Kind::kConnack: fail("the broker lets us in twice"); break;
            default: return true;
        }
    }
    return false;
}

void MqttConnection::look_at_time() {
    // What has been read is looked at first.
    if (!error_.empty() || waits_) return;
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (!greeted_) {
        if (now_ns - begun_ns_ > kGreetNs) fail("the broker does not let us in");
        return;
    }
    if (pinged_ns_ != 0) {
        // Its answer stands behind all that is on its way.
        if (now_ns - std::max(pinged_ns_, heard_ns_) > kAnswerNs)
            fail("no answer in " + std::to_string(kAnswerNs / kMqttSecondNs) + " s");
        return;
    }
    // Also where the broker speaks all the time: it wants to hear of us.
    if (now_ns - asked_ns_ > keep_alive_ns_ / 2) {
        io::append_mqtt_ping(socket_.out());
        pinged_ns_ = asked_ns_ = now_ns;
    }
}

}  // namespace millrace::runtime
