// Goal: what a broker of MQTT 5 sends means the same however it is cut, what is none of the
// protocol ends the reading, and what a client says is what the protocol asks for. Method: bytes
// laid out by hand, fed whole, in two at every byte and byte by byte.
#include "io/mqtt_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::io {
namespace {

using namespace std::string_view_literals;

std::string line_of(const MqttPacket& packet) {
    const std::string reason =
        " " + std::to_string(packet.reason) + std::string(packet.reason_words);
    switch (packet.kind) {
        case MqttPacket::Kind::kConnack:
            return "connack" + reason + (packet.session_there ? " session " : " ") +
                   std::to_string(packet.receive_max) + " " +
                   std::to_string(packet.packet_bytes_max) + " " +
                   std::to_string(packet.keep_alive_seconds) + " " + std::to_string(packet.qos_max);
        case MqttPacket::Kind::kPublish:
            return "publish " + std::to_string(packet.id) + (packet.again ? " again " : " ") +
                   (packet.retained ? "retained " : "") + std::string(packet.topic) + " " +
                   std::string(packet.payload);
        case MqttPacket::Kind::kPuback: return "puback " + std::to_string(packet.id) + reason;
        case MqttPacket::Kind::kPubrec: return "pubrec " + std::to_string(packet.id) + reason;
        case MqttPacket::Kind::kPubcomp: return "pubcomp " + std::to_string(packet.id) + reason;
        case MqttPacket::Kind::kPubrel: return "pubrel " + std::to_string(packet.id) + reason;
        case MqttPacket::Kind::kSuback: return "suback " + std::to_string(packet.id) + reason;
        case MqttPacket::Kind::kPingresp: return "pingresp";
        case MqttPacket::Kind::kDisconnect: return "disconnect" + reason;
    }
    return "?";
}

using Lines = std::vector<std::string>;

void read_on(MqttReader& reader, std::string_view bytes, Lines& out) {
    reader.feed(bytes);
    MqttPacket packet;
    while (true) {
        const auto found = reader.next(packet);
        if (found == MqttReader::Found::kPacket) out.push_back(line_of(packet));
        if (found == MqttReader::Found::kBroken && (out.empty() || !out.back().starts_with("brok")))
            out.push_back("broken " + reader.why_broken());
        if (found != MqttReader::Found::kPacket) return;
    }
}

void expect_lines(std::string_view bytes, const Lines& expected) {
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
        MqttReader reader;
        Lines out;
        read_on(reader, bytes.substr(0, at), out);
        read_on(reader, bytes.substr(at), out);
        EXPECT_EQ(out, expected) << "cut at " << at;
    }
    MqttReader reader;
    Lines out;
    for (std::size_t i = 0; i < bytes.size(); ++i) read_on(reader, bytes.substr(i, 1), out);
    EXPECT_EQ(out, expected) << "byte by byte";
}

TEST(MqttReader, ReadsWhatABrokerSays) {
    expect_lines("\x20\x03\x00\x00\x00"sv, {"connack 0 65535 0 0 2"});
    expect_lines("\x20\x10\x01\x00\x0d\x21\x00\x0a\x27\x00\x01\x00\x00\x13\x00\x14\x24\x01"sv,
                 {"connack 0 session 10 65536 20 1"});
    expect_lines("\x20\x08\x00\x87\x05\x1f\x00\x02no"sv, {"connack 135no 65535 0 0 2"});
    expect_lines(
        "\x32\x09\x00\x03"
        "a/b"
        "\x00\x07\x00"
        "x"
        "\xd0\x00"sv,
        {"publish 7 a/b x", "pingresp"});
    expect_lines(
        "\x30\x04\x00\x01"
        "a"
        "\x00"sv,
        {"publish 0 a "});
    expect_lines(
        "\x3b\x09\x00\x01"
        "a"
        "\x00\x01\x03\x01\x01\x23"sv,
        {"broken a packet does not hold what it should"});
    expect_lines(
        "\x3b\x0b\x00\x01"
        "a"
        "\x00\x01\x05\x01\x01\x23\x00\x09"sv,
        {"publish 1 again retained a "});
    expect_lines("\x40\x02\x00\x09\x40\x03\x00\x0a\x10\x40\x08\x00\x0b\x97\x04\x1f\x00\x01q"sv,
                 {"puback 9 0", "puback 10 16", "puback 11 151q"});
    expect_lines("\x90\x04\x00\x01\x00\x87"sv, {"suback 1 135"});
    expect_lines("\xe0\x00\xe0\x01\x8b"sv, {"disconnect 0", "disconnect 139"});
    expect_lines(
        "\x34\x07\x00\x01"
        "a"
        "\x00\x07\x00x"
        "\x62\x02\x00\x07"
        "\x62\x03\x00\x08\x92"sv,
        {"publish 7 a x", "pubrel 7 0", "pubrel 8 146"});
    expect_lines(
        "\x50\x02\x00\x07\x50\x03\x00\x08\x97\x70\x02\x00\x07"
        "\x70\x04\x00\x08\x92\x00"sv,
        {"pubrec 7 0", "pubrec 8 151", "pubcomp 7 0", "pubcomp 8 146"});
}

TEST(MqttReader, EndsAtWhatIsNoneOfTheProtocol) {
    for (const std::string_view bytes : {"\x00"
                                         "\x00"sv,
                                         "\x10\x00"sv,                      // a client's packet
                                         "\x20\x02\x00\x00"sv,              // no properties
                                         "\x20\x05\x00\x00\x02\x7f\x00"sv,  // an unknown property
                                         "\x20\x04\x00\x00\x01\x21"sv,  // a property that is cut
                                         "\x36\x07\x00\x01"
                                         "a"
                                         "\x00\x01\x00x"sv,     // there is no QoS 3
                                         "\x60\x02\x00\x01"sv,  // PUBREL has other flags
                                         "\x52\x02\x00\x01"sv,  // and PUBREC has none
                                         "\x70\x01\x00"sv,      // an id that is cut
                                         "SSH-2.0-OpenSSH"sv,   // and would be waited for
                                         "\x32\x06\x00\x01"
                                         "a"
                                         "\x00\x00\x00"sv,              // no packet id
                                         "\x30\x02\x00\x05"sv,          // a topic that is cut
                                         "\xd1\x00"sv,                  // flags that are none
                                         "\xd0\x01\x00"sv,              // more than it holds
                                         "\x30\xff\xff\xff\xff\x01"sv,  // a length of five bytes
                                         "\x30\x80\x00"sv,              // a length in two forms
                                         "\x30\xff\xff\xff\x7f"sv}) {   // 256 MiB
        MqttReader reader;
        Lines out;
        read_on(reader, bytes, out);
        ASSERT_EQ(out.size(), 1u);
        EXPECT_TRUE(out[0].starts_with("broken ")) << out[0];
        // For good.
        read_on(reader, "\xd0\x00"sv, out);
        EXPECT_EQ(out.size(), 1u);
    }
}

TEST(MqttWriter, SaysWhatTheProtocolAsksFor) {
    std::string out;
    append_mqtt_connect(out, {.client_id = "me",
                              .user = "u",
                              .password = "p",
                              .keep_alive_seconds = 30,
                              .session_expiry_seconds = 60,
                              .receive_max = 5});
    EXPECT_EQ(out,
              "\x10\x1d\x00\x04MQTT\x05\xc0\x00\x1e\x08\x11\x00\x00\x00\x3c\x21\x00\x05\x00\x02"
              "me\x00\x01u\x00\x01p"sv);
    out.clear();
    append_mqtt_connect(out, {.client_id = "", .user = "", .password = "", .clean = true});
    EXPECT_EQ(out[9], '\x02');
    out.clear();
    append_mqtt_subscribe(out, 1, "a/#", 1);
    EXPECT_EQ(out,
              "\x82\x09\x00\x01\x00\x00\x03"
              "a/#"
              "\x11"sv);
    out.clear();
    append_mqtt_puback(out, 258);
    append_mqtt_pubrel(out, 259);
    append_mqtt_ping(out);
    append_mqtt_disconnect(out);
    EXPECT_EQ(out, "\x40\x02\x01\x02\x62\x02\x01\x03\xc0\x00\xe0\x00"sv);
}

TEST(MqttWriter, AFarewellEndsTheSession) {
    std::string out;
    append_mqtt_farewell(out);
    EXPECT_EQ(out, "\xe0\x07\x00\x05\x11\x00\x00\x00\x00"sv);
}

TEST(MqttWriter, AMessageIsReadAsItWasWritten) {
    for (const std::size_t bytes : {0u, 1u, 100u, 127u, 128u, 20'000u, 3'000'000u}) {
        const std::string payload(bytes, 'x');
        for (const MqttPublish& what :
             {MqttPublish{"a/b", payload, 0, false}, MqttPublish{"a/b", payload, 65'535, true},
              MqttPublish{"a/b", payload, 7, true, 2}}) {
            std::string out;
            append_mqtt_publish(out, what);
            EXPECT_EQ(out.size(), mqtt_publish_bytes(what));
            MqttReader reader;
            reader.feed(out);
            MqttPacket packet;
            ASSERT_EQ(reader.next(packet), MqttReader::Found::kPacket);
            EXPECT_EQ(packet.topic, "a/b");
            EXPECT_EQ(packet.payload, payload);
            EXPECT_EQ(packet.id, what.id);
            EXPECT_EQ(packet.again, what.again);
            EXPECT_EQ(packet.qos, what.id == 0 ? 0 : what.qos);
            EXPECT_EQ(reader.next(packet), MqttReader::Found::kNone);
        }
    }
}

TEST(MqttTopic, IsOneOrAFilter) {
    for (const std::string_view good : {"a", "/", "a//b", "$SYS/x", "\xc3\xa9"}) {
        EXPECT_TRUE(is_mqtt_topic(good, MqttWildcards::kRefused)) << good;
        EXPECT_TRUE(is_mqtt_topic(good, MqttWildcards::kAllowed)) << good;
    }
    for (const std::string_view filter : {"#", "+", "a/+/b", "a/#", "+/#"}) {
        EXPECT_FALSE(is_mqtt_topic(filter, MqttWildcards::kRefused)) << filter;
        EXPECT_TRUE(is_mqtt_topic(filter, MqttWildcards::kAllowed)) << filter;
    }
    for (const std::string_view bad : {""sv, "a+"sv, "a/#/b"sv, "##"sv, "\xff"sv, "a\0b"sv}) {
        EXPECT_FALSE(is_mqtt_topic(bad, MqttWildcards::kAllowed)) << bad;
    }
    EXPECT_FALSE(is_mqtt_topic(std::string(65'536, 'a'), MqttWildcards::kAllowed));
}

}  // namespace
}  // namespace millrace::io
