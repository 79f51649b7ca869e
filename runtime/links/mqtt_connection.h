// What: a connection to a broker of MQTT 5 that has let us in: what is published and subscribed to
//       goes out, messages and answers come in.
// Threads: one owner; looking up the host's name blocks it.
// Lifetime: borrows clock and rules; the texts of a packet live until the next call of turn().
// Limits: kGreetNs to be let in, kAnswerNs for what the broker owes. What goes out is bounded by
//         its user (unsent()).
// Failure: error() says why it can not be used any more. What was on its way may have arrived.
#pragma once

#include "io/mqtt_codec.h"
#include "runtime/links/peer_socket.h"

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
};

// What the broker takes.
struct MqttBroker {
    bool session_there = false;
    std::uint16_t receive_max = 65'535;
    std::uint32_t packet_bytes_max = 0;  // 0: any
    std::uint8_t qos_max = 2;
};

class MqttConnection {
public:
    static constexpr std::int64_t kAnswerNs = 10'000'000'000;
    static constexpr std::int64_t kGreetNs = PeerSocket::kConnectNs + kAnswerNs;
    static constexpr std::uint16_t kKeepAliveSeconds = 30;

    MqttConnection(const core::Clock& clock, const courier::AddressRules& rules,
                   const MqttPlace& place);

    // Sends and reads, while nothing that was read waits for next().
    void turn();
    void push() { socket_.push(); }
    // The next message or answer.
    bool next(io::MqttPacket& out);

    bool open() const { return greeted_ && error_.empty(); }
    const std::string& error() const { return error_; }
    const MqttBroker& broker() const { return broker_; }
    void waits_for(pollfd& fd) const { socket_.waits_for(fd); }
    std::size_t unsent() const { return socket_.unsent(); }

    // All below only while open().
    void subscribe(std::uint16_t id, std::string_view filter) {
        io::append_mqtt_subscribe(socket_.out(), id, filter, 1);
    }
    void publish(const io::MqttPublish& what) { io::append_mqtt_publish(socket_.out(), what); }
    void acknowledge(std::uint16_t id) { io::append_mqtt_puback(socket_.out(), id); }

private:
    void take_greeting();
    void look_at_time();
    void fail(std::string why) {
        if (error_.empty()) error_ = std::move(why);
    }

    const core::Clock& clock_;
    PeerSocket socket_;
    io::MqttReader reader_;
    MqttBroker broker_;
    std::int64_t keep_alive_ns_ = 0;
    bool greeted_ = false;
    bool waits_ = false;  // something may have been read that next() has not given
    const std::int64_t begun_ns_;
    std::int64_t heard_ns_ = 0;
    std::int64_t asked_ns_ = 0;   // whether it is there, or it has let us in
    std::int64_t pinged_ns_ = 0;  // and not answered; 0: no
    std::string error_;
};

}  // namespace millrace::runtime
