// Fuzzes what a NATS server says: whole or byte by byte the same frames come out of it, and each is
// looked at as an answer of JetStream too; nothing of it is believed.
#include "core/assert.h"
#include "io/nats_codec.h"
#include "runtime/links/nats_jetstream.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace millrace;
using runtime::NatsAnswers;

std::string looked_at(const io::NatsFrame& frame) {
    const io::NatsStatus status = io::nats_status(frame.headers);
    std::string out = std::to_string(static_cast<int>(frame.kind)) + ":" +
                      std::to_string(frame.sid) + ":" + std::string(frame.subject) + ":" +
                      std::string(frame.reply) + ":" + std::string(frame.headers) + ":" +
                      std::string(frame.text) + ":" + std::to_string(status.code);
    out.append(status.text).append(io::nats_header(frame.headers, "Nats-Pending-Messages"));
    NatsAnswers answers;
    runtime::NatsStreamInfo stream;
    runtime::NatsConsumerInfo consumer;
    runtime::NatsPubAck ack;
    runtime::NatsDelivery delivery;
    runtime::NatsPosition place;
    if (answers.stream(frame.text, stream) == NatsAnswers::Kind::kGood) {
        (void)runtime::check_nats_stream(stream, place, false);
        (void)runtime::check_nats_stream(stream, place, true);
    }
    (void)answers.consumer(frame.text, consumer);
    (void)answers.published(frame.text, ack);
    (void)runtime::read_nats_delivery(frame.reply, delivery);
    (void)runtime::NatsPosition::read(frame.text);
    return out + ";";
}

std::string frames_of(std::string_view bytes, std::size_t step) {
    io::NatsReader reader;
    io::NatsFrame frame;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        while (reader.next(frame) == io::NatsReader::Found::kFrame) out += looked_at(frame);
    }
    return out + reader.why_broken();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    MR_ASSERT(frames_of(text, bytes + 1) == frames_of(text, 1));
    (void)io::is_nats_subject(text, io::NatsWildcards::kAllowed);
    (void)io::is_nats_name(text);
    return 0;
}
