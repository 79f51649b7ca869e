// What: MQTT 5 on a client's side: reads what a broker sends, in whatever pieces it comes, and
//       writes what a client says. What it means is its user's business.
// Threads: one owner; the functions are pure.
// Lifetime: texts of a packet are views of the reader, until the next call of feed().
// Limits: kMqttPacketBytesMax of a packet.
// Failure: kBroken, for good: the bytes are none of the protocol, or over the limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::io {

inline constexpr std::size_t kMqttPacketBytesMax = 64u << 20;
inline constexpr std::size_t kMqttTextBytesMax = 65'535;
inline constexpr std::uint8_t kMqttFailed = 0x80;  // reasons from here on are errors

struct MqttPacket {
    enum class Kind : std::uint8_t {
        kConnack = 2,
        kPublish = 3,
        kPuback = 4,
        kPubrec = 5,
        kPubrel = 6,
        kPubcomp = 7,
        kSuback = 9,
        kPingresp = 13,
        kDisconnect = 14,
    };
    Kind kind = Kind::kPingresp;
    std::uint8_t qos = 0;  // of a message
    bool again = false;    // it may have come before (DUP)
    bool retained = false;
    bool session_there = false;  // of kConnack: the broker knows us from before
    std::uint8_t reason = 0;
    std::uint16_t id = 0;
    std::string_view topic;
    std::string_view payload;
    std::string_view reason_words;  // as the broker says it; empty: it does not
    // Of kConnack, what the broker takes; as it is where it says nothing.
    std::uint16_t receive_max = 65'535;    // messages that it has not acknowledged
    std::uint32_t packet_bytes_max = 0;    // 0: any
    std::uint16_t keep_alive_seconds = 0;  // 0: what was asked for
    std::uint8_t qos_max = 2;
};

class MqttReader {
public:
    enum class Found : std::uint8_t { kNone, kPacket, kBroken };

    void feed(std::string_view bytes);
    Found next(MqttPacket& out);
    const std::string& why_broken() const { return broken_; }

private:
    Found read_packet(std::uint8_t first, std::string_view body, MqttPacket& out);
    Found broken(std::string_view why);

    std::string buffer_;
    std::size_t at_ = 0;      // what lies before has been read
    std::size_t wanted_ = 0;  // so many bytes behind it make the next try worth while
    std::string broken_;
};

// In words, for those that a client meets.
std::string_view mqtt_reason_text(std::uint8_t reason);

// ---- what a client says

struct MqttConnect {
    std::string_view client_id;
    std::string_view user, password;           // empty: none
    std::uint16_t keep_alive_seconds = 0;      // 0: never asked whether it is there
    std::uint32_t session_expiry_seconds = 0;  // 0: the session ends with the connection
    std::uint16_t receive_max = 65'535;        // messages that we have not acknowledged
    bool clean = false;                        // nothing is left of a session of before
};
void append_mqtt_connect(std::string& out, const MqttConnect& what);

struct MqttPublish {
    std::string_view topic;
    std::string_view payload;
    std::uint16_t id = 0;  // 0: QoS 0
    bool again = false;
    std::uint8_t qos = 1;  // of one with an id
};
// What it comes to.
std::size_t mqtt_publish_bytes(const MqttPublish& what);
void append_mqtt_publish(std::string& out, const MqttPublish& what);
void append_mqtt_puback(std::string& out, std::uint16_t id);
// Of a message of QoS 2: we have it; and, when its PUBREL has come, that is forgotten.
void append_mqtt_pubrec(std::string& out, std::uint16_t id);
void append_mqtt_pubcomp(std::string& out, std::uint16_t id);
// Of one of ours: the broker has said that it has it, and we know.
void append_mqtt_pubrel(std::string& out, std::uint16_t id);
// Retained messages come when the subscription is new, not each time that it is asked for.
void append_mqtt_subscribe(std::string& out, std::uint16_t id, std::string_view filter,
                           std::uint8_t qos_max);
void append_mqtt_ping(std::string& out);
void append_mqtt_disconnect(std::string& out);
// And the broker forgets the session that it would keep.
void append_mqtt_farewell(std::string& out);

// A topic: UTF-8 without NUL, "+" and "#"; as a filter with them where they may stand.
enum class MqttWildcards : std::uint8_t { kRefused, kAllowed };
bool is_mqtt_topic(std::string_view text, MqttWildcards wildcards);

}  // namespace millrace::io
