#include "runtime/cluster/unit_message.h"

#include "core/assert.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/key_hash.h"
#include "store/commit/crc32c.h"
#include "store/log/packed.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace millrace::runtime::cluster {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers travel as they stand");

constexpr std::size_t kMessageSummedFrom = offsetof(MessageHead, crc32c) + sizeof(std::uint32_t);
// Below it packing gains less than a message costs.
constexpr std::size_t kPackedFrom = 512;

tl::unexpected<core::Error> no_message(std::string what) {
    return core::fail(core::ErrorCode::kValidation, "message: " + std::move(what));
}

std::string message_of(MessageHead head, std::string_view body) {
    std::string out(reinterpret_cast<const char*>(&head), sizeof head);
    out.append(body);
    head.crc32c = store::crc32c(std::string_view(out).substr(kMessageSummedFrom));
    std::memcpy(out.data(), &head, sizeof head);
    return out;
}

core::Status check_kind(const MessageHead& head) {
    switch (head.kind) {
        case MessageKind::kUnit: return {};
        case MessageKind::kEpoch:
        case MessageKind::kHandOver:
            if (head.coding != BodyCoding::kPlain || head.parts != 1)
                return no_message("an ownership is packed or in parts");
            return {};
        case MessageKind::kBeat:
            if (head.body_bytes != 0 || head.parts != 1)
                return no_message("a sign of life has a body");
            return {};
    }
    return no_message("is of a kind that is not known here");
}

}  // namespace

std::size_t SealedUnit::bytes() const {
    std::size_t sum = 0;
    for (const std::string& message : messages) sum += message.size();
    return sum;
}

std::uint64_t chain_hash(std::uint64_t previous, const MessageHead& head, std::string_view body) {
    const std::uint64_t place =
        core::mix_u64(head.epoch ^ core::kHashSeedA, head.unit ^ core::kHashSeedB);
    const std::uint64_t what = core::hash_key(body) ^ static_cast<std::uint64_t>(head.kind);
    return core::mix_u64(previous ^ what ^ core::kHashSeedA,
                         place | 1u);  // never times nothing
}

core::Result<Message> read_message(std::string_view bytes) {
    Message out;
    if (bytes.size() < sizeof out.head) return no_message("is shorter than its head");
    std::memcpy(&out.head, bytes.data(), sizeof out.head);
    const MessageHead& head = out.head;
    if (std::string_view(head.magic, sizeof head.magic) != "MRU1")
        return no_message("is none, or of a version that is not known here");
    if (store::crc32c(bytes.substr(kMessageSummedFrom)) != head.crc32c)
        return no_message("its checksum is wrong");
    out.body = bytes.substr(sizeof head);
    if (head.coding > BodyCoding::kLz4 || head.zero != 0 || head.spare != 0)
        return no_message("says something that is not known here");
    if (head.parts == 0 || head.parts > kPartsMax || head.part >= head.parts)
        return no_message("is a part that there can not be");
    if (head.body_bytes > store::kReplicaUnitBytesMax ||
        head.raw_bytes > store::kReplicaUnitBytesMax || out.body.size() > kPartBytesMax)
        return no_message("claims too many bytes");
    if (head.coding == BodyCoding::kPlain && head.raw_bytes != head.body_bytes)
        return no_message("is not packed and has another size");
    if (head.coding == BodyCoding::kLz4 &&
        (head.raw_bytes > store::kPackedBytesMax ||
         head.raw_bytes / store::kPackedRatioMax > head.body_bytes))
        return no_message("claims more than can be packed");
    // All parts but the last are full.
    const std::size_t before = std::size_t{head.part} * kPartBytesMax;
    const std::size_t wanted = std::min<std::size_t>(
        kPartBytesMax, head.body_bytes - std::min<std::size_t>(before, head.body_bytes));
    const std::size_t parts_needed =
        std::max<std::size_t>(1, (head.body_bytes + kPartBytesMax - 1) / kPartBytesMax);
    if (out.body.size() != wanted || head.parts != parts_needed)
        return no_message("is not as long as it says");
    if (auto good = check_kind(head); !good) return core::fail(std::move(good.error()));
    return out;
}

SealedUnit seal_unit(MessageKind kind, const UnitPlace& place, std::string_view body) {
    MR_ASSERT(body.size() <= store::kReplicaUnitBytesMax);
    MessageHead head;
    head.kind = kind;
    head.partition = place.partition;
    head.epoch = place.epoch;
    head.unit = place.unit;
    head.previous_hash = place.previous_hash;
    head.raw_bytes = static_cast<std::uint32_t>(body.size());
    std::string packed;
    if (kind == MessageKind::kUnit && body.size() >= kPackedFrom &&
        body.size() <= store::kPackedBytesMax) {
        store::pack(body, packed);
        // Blocks of events are packed already: what gains nothing is sent as it is.
        if (packed.size() + body.size() / 16 < body.size()) {
            head.coding = BodyCoding::kLz4;
            body = packed;
        }
    }
    head.body_bytes = static_cast<std::uint32_t>(body.size());
    head.parts = static_cast<std::uint32_t>(
        std::max<std::size_t>(1, (body.size() + kPartBytesMax - 1) / kPartBytesMax));
    head.hash = chain_hash(place.previous_hash, head, body);
    SealedUnit out{kind, place.epoch, place.unit, head.hash, {}};
    for (; head.part < head.parts; ++head.part)
        out.messages.push_back(
            message_of(head, body.substr(std::size_t{head.part} * kPartBytesMax, kPartBytesMax)));
    return out;
}

SealedUnit seal_beat(const UnitPlace& last) {
    MessageHead head;
    head.kind = MessageKind::kBeat;
    head.partition = last.partition;
    head.epoch = last.epoch;
    head.unit = last.unit;
    head.previous_hash = head.hash = last.previous_hash;
    return {MessageKind::kBeat, last.epoch, last.unit, head.hash, {message_of(head, {})}};
}

std::string EpochBody::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("node", node).field("url", url).field("token", token);
    if (heals) json.field("heals", true);
    json.end_object();
    return out;
}

core::Result<EpochBody> EpochBody::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "epoch");
    if (!in) return core::fail(std::move(in.error()));
    EpochBody out;
    in->text("node", out.node, {.presence = core::Presence::kRequired});
    in->text("url", out.url);
    in->text("token", out.token, {.presence = core::Presence::kRequired});
    in->boolean("heals", out.heals);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

std::string HandOverBody::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("to", to).end_object();
    return out;
}

core::Result<HandOverBody> HandOverBody::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "handOver");
    if (!in) return core::fail(std::move(in.error()));
    HandOverBody out;
    in->text("to", out.to, {.presence = core::Presence::kRequired});
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace millrace::runtime::cluster
