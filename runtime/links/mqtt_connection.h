// What: a connection to a broker of MQTT 5 that has let us in: what is published and subscribed to
//       goes out, messages and answers come in.
// Threads, lifetime, limits and failure: of peer_conversation.h.
#pragma once

#include "io/mqtt_codec.h"
#include "runtime/links/peer_conversation.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct MqttPlace {
    std::string host;
    std::int64_t port = 1883;
    std::string user, password;
    std::string client_id;  // empty: the broker makes one
    // What the broker keeps of us while we are away; 0: nothing.
    std::uint32_t session_expiry_seconds = 0;
    std::uint16_t receive_max = 65'535;
    PeerTls tls{};
};

// What the broker takes.
struct MqttBroker {
    bool session_there = false;
    std::uint16_t receive_max = 65'535;
    std::uint32_t packet_bytes_max = 0;  // 0: any
    std::uint8_t qos_max = 2;
};

class MqttConnection final : public PeerConversation<io::MqttReader> {
public:
    static constexpr std::uint16_t kKeepAliveSeconds = 30;

    MqttConnection(const core::Clock& clock, const courier::AddressRules& rules,
                   const MqttPlace& place);

    // The next message or answer.
    bool next(io::MqttPacket& out);

    const MqttBroker& broker() const { return broker_; }

    // All below only while open().
    void subscribe(std::uint16_t id, std::string_view filter, std::uint8_t qos) {
        io::append_mqtt_subscribe(out(), id, filter, qos);
    }
    void publish(const io::MqttPublish& what) { io::append_mqtt_publish(out(), what); }
    void acknowledge(std::uint16_t id) { io::append_mqtt_puback(out(), id); }
    void tell_received(std::uint16_t id) { io::append_mqtt_pubrec(out(), id); }
    void tell_complete(std::uint16_t id) { io::append_mqtt_pubcomp(out(), id); }
    void release(std::uint16_t id) { io::append_mqtt_pubrel(out(), id); }
    // The broker forgets the session, and the connection is of no use any more.
    void forget_session() {
        io::append_mqtt_farewell(out());
        push();
    }

private:
    void take_greeting() override;
    void look_at_time(std::int64_t now_ns) override;

    MqttBroker broker_;
    std::int64_t keep_alive_ns_ = 0;
    std::int64_t asked_ns_ = 0;   // whether it is there, or it has let us in
    std::int64_t pinged_ns_ = 0;  // and not answered; 0: no
};

}  // namespace millrace::runtime
