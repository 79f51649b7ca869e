// Fuzzes what a broker of MQTT says: whole or byte by byte the same packets come out of it, and a
// message that is written again is the same; nothing of it is believed.
#include "core/assert.h"
#include "io/mqtt_codec.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace millrace;

std::string looked_at(const io::MqttPacket& packet) {
    std::string out = std::to_string(static_cast<int>(packet.kind)) + ":" +
                      std::to_string(packet.id) + ":" + std::to_string(packet.reason) + ":" +
                      std::string(packet.topic) + ":" + std::string(packet.payload) + ":" +
                      std::string(packet.reason_words) + ":" + std::to_string(packet.receive_max);
    out.append(io::mqtt_reason_text(packet.reason));
    if (packet.kind != io::MqttPacket::Kind::kPublish) return out + ";";
    std::string again;
    const io::MqttPublish what{packet.topic, packet.payload, packet.id, packet.again, packet.qos};
    io::append_mqtt_publish(again, what);
    MR_ASSERT(again.size() == io::mqtt_publish_bytes(what));
    io::MqttReader reader;
    reader.feed(again);
    io::MqttPacket read;
    MR_ASSERT(reader.next(read) == io::MqttReader::Found::kPacket);
    MR_ASSERT(read.topic == packet.topic && read.payload == packet.payload &&
              read.id == packet.id && read.qos == packet.qos);
    return out + ";";
}

std::string packets_of(std::string_view bytes, std::size_t step) {
    io::MqttReader reader;
    io::MqttPacket packet;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        while (reader.next(packet) == io::MqttReader::Found::kPacket) out += looked_at(packet);
    }
    return out + reader.why_broken();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    MR_ASSERT(packets_of(text, bytes + 1) == packets_of(text, 1));
    (void)io::is_mqtt_topic(text, io::MqttWildcards::kAllowed);
    return 0;
}
