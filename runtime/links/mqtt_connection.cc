#include "runtime/links/mqtt_connection.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

using io::MqttPacket;

constexpr std::int64_t kMqttSecondNs = 1'000'000'000;
constexpr PeerWords kMqttWords = {"what the broker says is not MQTT",
                                  "the broker does not let us in"};

std::string mqtt_refusal(const MqttPacket& packet) {
    std::string out(io::mqtt_reason_text(packet.reason));
    if (!packet.reason_words.empty()) out.append(": ").append(packet.reason_words.substr(0, 256));
    return out;
}

}  // namespace

MqttConnection::MqttConnection(const core::Clock& clock, const courier::AddressRules& rules,
                               const MqttPlace& place)
    : PeerConversation(clock, rules, place.host, place.port, kMqttWords, place.tls),
      keep_alive_ns_(kKeepAliveSeconds * kMqttSecondNs) {
    io::append_mqtt_connect(out(), {.client_id = place.client_id,
                                    .user = place.user,
                                    .password = place.password,
                                    .keep_alive_seconds = kKeepAliveSeconds,
                                    .session_expiry_seconds = place.session_expiry_seconds,
                                    .receive_max = place.receive_max,
                                    .clean = place.session_expiry_seconds == 0});
}

// CONNACK, before anything else comes.
void MqttConnection::take_greeting() {
    MqttPacket packet;
    if (!next_frame(packet)) return;
    if (packet.kind != MqttPacket::Kind::kConnack)
        return fail("the broker has said something before it let us in");
    if (packet.reason >= io::kMqttFailed)
        return fail("the broker refuses: " + mqtt_refusal(packet));
    broker_ = {packet.session_there, packet.receive_max, packet.packet_bytes_max, packet.qos_max};
    if (packet.receive_max == 0) return fail("the broker takes no messages at all");
    if (packet.keep_alive_seconds != 0) keep_alive_ns_ = packet.keep_alive_seconds * kMqttSecondNs;
    let_in();
    asked_ns_ = now_ns();
}

bool MqttConnection::next(MqttPacket& out) {
    while (open()) {
        if (!next_frame(out)) return false;
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

void MqttConnection::look_at_time(std::int64_t now_ns) {
    if (!greeted()) return;
    if (pinged_ns_ != 0) {
        // Its answer stands behind all that is on its way.
        if (now_ns - std::max(pinged_ns_, heard_ns()) > kAnswerNs) fail_late();
        return;
    }
    // Also where the broker speaks all the time: it wants to hear of us.
    if (now_ns - asked_ns_ > keep_alive_ns_ / 2) {
        io::append_mqtt_ping(out());
        pinged_ns_ = asked_ns_ = now_ns;
    }
}

}  // namespace millrace::runtime
