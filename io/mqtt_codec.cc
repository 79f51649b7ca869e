#include "io/mqtt_codec.h"

#include "core/utf8.h"

#include <algorithm>
#include <array>

namespace millrace::io {
namespace {

constexpr std::uint8_t kMqttConnect = 1, kMqttPublishKind = 3, kMqttPubackKind = 4,
                       kMqttPubrecKind = 5, kMqttPubrelKind = 6, kMqttPubcompKind = 7,
                       kMqttSubscribe = 8, kMqttPing = 12, kMqttDisconnectKind = 14;
constexpr std::size_t kMqttVarintBytesMax = 4;

// ---- reading

constexpr std::uint8_t kMqttPubrelFlags = 2;

// What a message has there is its own; of all others the standard says it.
bool has_mqtt_flags(unsigned kind, unsigned flags) {
    if (kind == kMqttPublishKind) return true;
    return flags == (kind == kMqttPubrelKind ? kMqttPubrelFlags : 0u);
}

// Takes values off the front of a text; false once something is missing.
struct MqttCursor {
    std::string_view rest;
    bool good = true;

    std::uint32_t number(std::size_t bytes) {
        if (rest.size() < bytes) good = false;
        if (!good) return 0;
        std::uint32_t out = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            out = out << 8 | static_cast<unsigned char>(rest[i]);
        rest.remove_prefix(bytes);
        return out;
    }
    std::uint32_t varint() {
        std::uint32_t out = 0;
        for (std::size_t i = 0; i < kMqttVarintBytesMax; ++i) {
            const std::uint32_t byte = number(1);
            out |= (byte & 0x7f) << (7 * i);
            // The last of several bytes is never nothing: a number has one form.
            if (byte < 0x80) {
                good = good && (i == 0 || byte != 0);
                return out;
            }
        }
        good = false;
        return 0;
    }
    std::string_view take(std::size_t bytes) {
        if (rest.size() < bytes) good = false;
        if (!good) return {};
        const std::string_view out = rest.substr(0, bytes);
        rest.remove_prefix(bytes);
        return out;
    }
    std::string_view text() { return take(number(2)); }
};

// How a property's value is laid out.
enum class MqttForm : std::uint8_t { kNone, kByte, kTwo, kFour, kVarint, kText, kPair };

MqttForm mqtt_form_of(std::uint32_t property) {
    switch (property) {
        case 0x01:
        case 0x17:
        case 0x19:
        case 0x24:
        case 0x25:
        case 0x28:
        case 0x29:
        case 0x2A: return MqttForm::kByte;
        case 0x13:
        case 0x21:
        case 0x22:
        case 0x23: return MqttForm::kTwo;
        case 0x02:
        case 0x11:
        case 0x18:
        case 0x27: return MqttForm::kFour;
        case 0x0B: return MqttForm::kVarint;
        case 0x03:
        case 0x08:
        case 0x09:
        case 0x12:
        case 0x15:
        case 0x16:
        case 0x1A:
        case 0x1C:
        case 0x1F: return MqttForm::kText;
        case 0x26: return MqttForm::kPair;
        default: return MqttForm::kNone;
    }
}

void note_mqtt_property(std::uint32_t property, std::uint32_t number, std::string_view text,
                        MqttPacket& out) {
    switch (property) {
        case 0x13: out.keep_alive_seconds = static_cast<std::uint16_t>(number); break;
        case 0x1F: out.reason_words = text; break;
        case 0x21: out.receive_max = static_cast<std::uint16_t>(number); break;
        case 0x24: out.qos_max = static_cast<std::uint8_t>(number); break;
        case 0x27: out.packet_bytes_max = number; break;
        default: break;
    }
}

bool read_mqtt_properties(MqttCursor& in, MqttPacket& out) {
    MqttCursor list{in.take(in.varint())};
    while (in.good && list.good && !list.rest.empty()) {
        const std::uint32_t property = list.varint();
        std::uint32_t number = 0;
        std::string_view text;
        switch (mqtt_form_of(property)) {
            case MqttForm::kNone: return false;
            case MqttForm::kByte: number = list.number(1); break;
            case MqttForm::kTwo: number = list.number(2); break;
            case MqttForm::kFour: number = list.number(4); break;
            case MqttForm::kVarint: number = list.varint(); break;
            case MqttForm::kText: text = list.text(); break;
            case MqttForm::kPair:
                (void)list.text();
                text = list.text();
                break;
        }
        note_mqtt_property(property, number, text, out);
    }
    return in.good && list.good;
}

// Reason and properties at a packet's end may both be left out.
bool read_mqtt_reason(MqttCursor& in, MqttPacket& out) {
    if (in.rest.empty()) return in.good;
    out.reason = static_cast<std::uint8_t>(in.number(1));
    return in.rest.empty() ? in.good : read_mqtt_properties(in, out);
}

bool read_mqtt_message(std::uint8_t flags, MqttCursor& in, MqttPacket& out) {
    out.again = (flags & 8) != 0;
    out.qos = flags >> 1 & 3;
    out.retained = (flags & 1) != 0;
    out.topic = in.text();
    if (out.qos > 0) out.id = static_cast<std::uint16_t>(in.number(2));
    if (!in.good || out.qos > 2 || (out.qos > 0 && out.id == 0)) return false;
    if (!read_mqtt_properties(in, out)) return false;
    out.payload = in.rest;
    in.rest = {};
    return true;
}

// ---- writing

void append_mqtt_number(std::string& out, std::uint32_t value, unsigned bytes) {
    while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes) & 0xff);
}

void append_mqtt_varint(std::string& out, std::size_t value) {
    do {
        const std::size_t low = value & 0x7f;
        value >>= 7;
        out += static_cast<char>(low | (value > 0 ? 0x80 : 0));
    } while (value > 0);
}

void append_mqtt_text(std::string& out, std::string_view text) {
    append_mqtt_number(out, static_cast<std::uint32_t>(text.size()), 2);
    out.append(text);
}

void append_mqtt_packet(std::string& out, std::uint8_t kind, std::uint8_t flags,
                        std::string_view body) {
    out += static_cast<char>(kind << 4 | flags);
    append_mqtt_varint(out, body.size());
    out.append(body);
}

void append_mqtt_answer(std::string& out, std::uint8_t kind, std::uint16_t id) {
    std::string body;
    append_mqtt_number(body, id, 2);
    append_mqtt_packet(out, kind, kind == kMqttPubrelKind ? kMqttPubrelFlags : 0, body);
}

std::size_t mqtt_varint_bytes(std::size_t value) {
    std::size_t out = 1;
    while (value >>= 7) ++out;
    return out;
}

// What stands behind a publish's length.
std::size_t mqtt_publish_body_bytes(const MqttPublish& what) {
    return 2 + what.topic.size() + (what.id != 0 ? 2 : 0) + 1 + what.payload.size();
}

}  // namespace

// ---- the reader

void MqttReader::feed(std::string_view bytes) {
    if (!broken_.empty() || bytes.empty()) return;
    buffer_.erase(0, at_);
    at_ = 0;
    buffer_.append(bytes);
}

MqttReader::Found MqttReader::broken(std::string_view why) {
    broken_ = why;
    return Found::kBroken;
}

MqttReader::Found MqttReader::next(MqttPacket& out) {
    if (!broken_.empty()) return Found::kBroken;
    const std::string_view left = std::string_view(buffer_).substr(at_);
    if (left.empty() || left.size() < wanted_) return Found::kNone;
    // Before the rest of it is waited for: what is no broker's has no length.
    const auto first = static_cast<unsigned char>(left[0]);
    constexpr unsigned kSaidByBrokers =
        1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 9 | 1u << 13 | 1u << 14;
    if ((kSaidByBrokers >> (first >> 4) & 1) == 0 || !has_mqtt_flags(first >> 4, first & 15))
        return broken("a packet is none that a client is sent");
    MqttCursor in{left.substr(1)};
    const std::size_t bytes = in.varint();
    if (!in.good) {
        if (left.size() > kMqttVarintBytesMax) return broken("a packet's length is none");
        // Its length is not there as a whole.
        const bool whole = left.size() > 1 && static_cast<unsigned char>(left.back()) < 0x80;
        if (whole) return broken("a packet's length is none");
        wanted_ = left.size() + 1;
        return Found::kNone;
    }
    if (bytes > kMqttPacketBytesMax) return broken("a packet is longer than 64 MiB");
    const std::size_t whole = left.size() - in.rest.size() + bytes;
    if (left.size() < whole) {
        wanted_ = whole;
        return Found::kNone;
    }
    const Found found =
        read_packet(static_cast<std::uint8_t>(left[0]), in.rest.substr(0, bytes), out);
    if (found != Found::kPacket) return found;
    at_ += whole;
    wanted_ = 0;
    return found;
}

MqttReader::Found MqttReader::read_packet(std::uint8_t first, std::string_view body,
                                          MqttPacket& out) {
    const auto kind = static_cast<std::uint8_t>(first >> 4);
    const auto flags = static_cast<std::uint8_t>(first & 15);
    MqttCursor in{body};
    out = {};
    out.kind = static_cast<MqttPacket::Kind>(kind);
    bool good = true;
    switch (out.kind) {
        case MqttPacket::Kind::kConnack:
            out.session_there = (in.number(1) & 1) != 0;
            out.reason = static_cast<std::uint8_t>(in.number(1));
            good = good && read_mqtt_properties(in, out);
            break;
        case MqttPacket::Kind::kPublish: good = read_mqtt_message(flags, in, out); break;
        case MqttPacket::Kind::kPuback:
        case MqttPacket::Kind::kPubrec:
        case MqttPacket::Kind::kPubrel:
        case MqttPacket::Kind::kPubcomp:
            out.id = static_cast<std::uint16_t>(in.number(2));
            good = good && read_mqtt_reason(in, out);
            break;
        case MqttPacket::Kind::kSuback:
            out.id = static_cast<std::uint16_t>(in.number(2));
            good = good && read_mqtt_properties(in, out);
            out.reason = static_cast<std::uint8_t>(in.number(1));
            break;
        case MqttPacket::Kind::kPingresp: break;
        case MqttPacket::Kind::kDisconnect: good = good && read_mqtt_reason(in, out); break;
        default: return broken("a packet is none that a client is sent");
    }
    if (!good || !in.good) return broken("a packet does not hold what it should");
    if (!in.rest.empty()) return broken("a packet is longer than what it holds");
    return Found::kPacket;
}

// ---- words

std::string_view mqtt_reason_text(std::uint8_t reason) {
    switch (reason) {
        case 0x80: return "unspecified error";
        case 0x81: return "malformed packet";
        case 0x82: return "protocol error";
        case 0x84: return "it does not speak MQTT 5";
        case 0x85: return "it does not take the client id";
        case 0x86: return "bad user name or password";
        case 0x87: return "not authorized";
        case 0x88: return "server unavailable";
        case 0x89: return "server busy";
        case 0x8B: return "it is shutting down";
        case 0x8D: return "nothing was heard of us in time";
        case 0x8E: return "somebody else has come with our client id";
        case 0x8F: return "the topic filter is none";
        case 0x90: return "the topic is none";
        case 0x93: return "more is under way than it takes";
        case 0x95: return "the packet is too large";
        case 0x97: return "quota exceeded";
        case 0x99: return "the payload is not of the form that it says";
        case 0x9A: return "it keeps no retained messages";
        case 0x9B: return "it does not take that QoS";
        case 0x9D: return "it has moved";
        case 0x9F: return "connections come too quickly";
        default: return "for a reason that it does not say";
    }
}

// ---- what a client says

void append_mqtt_connect(std::string& out, const MqttConnect& what) {
    constexpr std::uint8_t kCleanFlag = 2, kPasswordFlag = 0x40, kUserFlag = 0x80;
    std::string properties;
    properties += '\x11';
    append_mqtt_number(properties, what.session_expiry_seconds, 4);
    properties += '\x21';
    append_mqtt_number(properties, what.receive_max, 2);
    std::string body;
    append_mqtt_text(body, "MQTT");
    append_mqtt_number(body, 5, 1);
    append_mqtt_number(body,
                       static_cast<std::uint32_t>((what.clean ? kCleanFlag : 0) |
                                                  (what.password.empty() ? 0 : kPasswordFlag) |
                                                  (what.user.empty() ? 0 : kUserFlag)),
                       1);
    append_mqtt_number(body, what.keep_alive_seconds, 2);
    append_mqtt_varint(body, properties.size());
    body += properties;
    append_mqtt_text(body, what.client_id);
    if (!what.user.empty()) append_mqtt_text(body, what.user);
    if (!what.password.empty()) append_mqtt_text(body, what.password);
    append_mqtt_packet(out, kMqttConnect, 0, body);
}

std::size_t mqtt_publish_bytes(const MqttPublish& what) {
    const std::size_t body = mqtt_publish_body_bytes(what);
    return 1 + mqtt_varint_bytes(body) + body;
}

void append_mqtt_publish(std::string& out, const MqttPublish& what) {
    const unsigned qos = what.id != 0 ? what.qos : 0u;
    const unsigned flags = qos << 1 | (what.again ? 8u : 0u);
    out += static_cast<char>(kMqttPublishKind << 4 | flags);
    append_mqtt_varint(out, mqtt_publish_body_bytes(what));
    append_mqtt_text(out, what.topic);
    if (what.id != 0) append_mqtt_number(out, what.id, 2);
    append_mqtt_varint(out, 0);  // no properties
    out.append(what.payload);
}

void append_mqtt_puback(std::string& out, std::uint16_t id) {
    append_mqtt_answer(out, kMqttPubackKind, id);
}

void append_mqtt_pubrec(std::string& out, std::uint16_t id) {
    append_mqtt_answer(out, kMqttPubrecKind, id);
}

void append_mqtt_pubcomp(std::string& out, std::uint16_t id) {
    append_mqtt_answer(out, kMqttPubcompKind, id);
}

void append_mqtt_pubrel(std::string& out, std::uint16_t id) {
    append_mqtt_answer(out, kMqttPubrelKind, id);
}

void append_mqtt_subscribe(std::string& out, std::uint16_t id, std::string_view filter,
                           std::uint8_t qos_max) {
    std::string body;
    append_mqtt_number(body, id, 2);
    append_mqtt_varint(body, 0);  // no properties
    append_mqtt_text(body, filter);
    constexpr std::uint8_t kRetainedWhenNew = 0x10;
    append_mqtt_number(body, static_cast<std::uint32_t>(qos_max | kRetainedWhenNew), 1);
    append_mqtt_packet(out, kMqttSubscribe, 2, body);
}

void append_mqtt_ping(std::string& out) { append_mqtt_packet(out, kMqttPing, 0, {}); }

void append_mqtt_farewell(std::string& out) {
    std::string body("\0\5\x11", 3);  // no reason; the session's expiry
    append_mqtt_number(body, 0, 4);
    append_mqtt_packet(out, kMqttDisconnectKind, 0, body);
}

void append_mqtt_disconnect(std::string& out) {
    append_mqtt_packet(out, kMqttDisconnectKind, 0, {});
}

bool is_mqtt_topic(std::string_view text, MqttWildcards wildcards) {
    if (text.empty() || text.size() > kMqttTextBytesMax || !core::is_utf8(text) ||
        text.find('\0') != std::string_view::npos)
        return false;
    while (true) {
        const std::size_t slash = text.find('/');
        const std::string_view level = text.substr(0, slash);
        const bool last = slash == std::string_view::npos;
        const bool wild = level.find_first_of("+#") != std::string_view::npos;
        if (wild && (wildcards == MqttWildcards::kRefused || level.size() > 1)) return false;
        if (level == "#" && !last) return false;
        if (last) return true;
        text.remove_prefix(slash + 1);
    }
}

}  // namespace millrace::io
