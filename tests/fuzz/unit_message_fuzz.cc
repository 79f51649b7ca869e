// Fuzzes what stands in a partition's stream: as it comes, with a sum that fits so that what is
// behind it is reached, and as the next link of a chain. What is taken says the same when it is
// sealed again.
#include "core/assert.h"
#include "runtime/cluster/link_reader.h"
#include "runtime/cluster/unit_message.h"
#include "store/commit/crc32c.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using namespace millrace::runtime::cluster;

void check(const std::string& bytes) {
    const auto message = read_message(bytes);
    if (!message) return;
    const MessageHead& head = message->head;
    MR_ASSERT(message->body.size() <= kPartBytesMax && head.part < head.parts);
    (void)EpochBody::read(message->body);
    (void)HandOverBody::read(message->body);
    if (head.parts != 1 || head.coding != BodyCoding::kPlain || head.unit == 0) return;
    // Where its chain would be.
    millrace::store::ReplicaPosition at;
    const bool beat = head.kind == MessageKind::kBeat;
    at.unit = beat ? head.unit : head.unit - 1;
    at.hash = beat ? head.hash : head.previous_hash;
    at.epoch = head.kind == MessageKind::kEpoch && head.epoch > 0 ? head.epoch - 1 : head.epoch;
    LinkReader reader(head.partition, at);
    Message out;
    std::string body;
    millrace::store::ReplicaPosition behind;
    if (reader.take(1, bytes, out, body, behind) != LinkReader::Found::kLink) return;
    MR_ASSERT(body == message->body && behind.unit == head.unit && behind.hash == head.hash);
    const SealedUnit again =
        seal_unit(head.kind, {head.partition, head.epoch, head.unit, head.previous_hash}, body);
    MR_ASSERT(again.unit == head.unit);
    const auto first = read_message(again.messages.front());
    MR_ASSERT(first && (first->head.coding != BodyCoding::kPlain || again.hash == head.hash));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    std::string text(reinterpret_cast<const char*>(data), bytes);
    check(text);
    if (text.size() < sizeof(MessageHead)) return 0;
    MessageHead head;
    std::memcpy(&head, text.data(), sizeof head);
    std::memcpy(head.magic, "MRU1", 4);
    const std::string_view body = std::string_view(text).substr(sizeof head);
    // As long as it is, and hashed as it stands: else nothing would get so far.
    head.body_bytes = static_cast<std::uint32_t>(body.size());
    if (head.coding == BodyCoding::kPlain) head.raw_bytes = head.body_bytes;
    if (head.kind != MessageKind::kBeat) head.hash = chain_hash(head.previous_hash, head, body);
    std::memcpy(text.data(), &head, sizeof head);
    const std::uint32_t sum = millrace::store::crc32c(std::string_view(text).substr(8));
    std::memcpy(text.data() + 4, &sum, sizeof sum);
    check(text);
    return 0;
}
