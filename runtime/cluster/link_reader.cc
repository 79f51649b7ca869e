#include "runtime/cluster/link_reader.h"

#include "store/log/packed.h"

#include <utility>

namespace millrace::runtime::cluster {
LinkReader::Found LinkReader::broken(std::string why) {
    why_ = std::move(why);
    return Found::kBroken;
}

bool LinkReader::add_part(const Message& message) {
    const MessageHead& head = message.head;
    if (head.part == 0) {
        parts_.clear();
        next_part_ = 0;
        open_ = head;
    }
    if (head.part != next_part_ || head.kind != open_.kind || head.epoch != open_.epoch ||
        head.unit != open_.unit || head.hash != open_.hash || head.body_bytes != open_.body_bytes)
        return false;
    parts_.append(message.body);
    ++next_part_;
    return true;
}

LinkReader::Found LinkReader::take(std::uint64_t sequence, std::string_view bytes, Message& out,
                                   std::string& body, store::ReplicaPosition& behind) {
    const auto message = read_message(bytes);
    const std::string where = "message " + std::to_string(sequence) + " of the stream ";
    if (!message) return broken(where + "does not read: " + message.error().message);
    const MessageHead& head = message->head;
    if (head.partition != partition_)
        return broken(where + "is of partition " + std::to_string(head.partition));
    if (head.kind == MessageKind::kBeat) {
        parts_.clear();
        if (head.epoch != at_.epoch || head.unit != at_.unit || head.hash != at_.hash)
            return broken(where + "stands behind unit " + std::to_string(head.unit) + " of epoch " +
                          std::to_string(head.epoch) + ", this copy is at unit " +
                          std::to_string(at_.unit) + " of epoch " + std::to_string(at_.epoch) +
                          (head.unit == at_.unit ? ", with another hash" : ""));
        at_.sequence = sequence;
        return Found::kNothing;
    }
    if (head.unit != at_.unit + 1 || head.previous_hash != at_.hash)
        return broken(where + "is unit " + std::to_string(head.unit) +
                      ", and does not follow unit " + std::to_string(at_.unit) + " of this copy");
    const bool begins = head.kind == MessageKind::kEpoch;
    if (begins ? head.epoch <= at_.epoch : head.epoch != at_.epoch)
        return broken(where + "is of epoch " + std::to_string(head.epoch) +
                      ", this copy is at epoch " + std::to_string(at_.epoch));
    if (!add_part(*message)) return broken(where + "is a part that does not follow");
    if (next_part_ != head.parts) return Found::kNothing;
    if (chain_hash(at_.hash, head, parts_) != head.hash)
        return broken(where + "has another hash than it says");
    out = *message;
    if (head.coding == BodyCoding::kLz4) {
        body.resize(head.raw_bytes);
        if (!store::unpack(parts_, head.raw_bytes, body.data()))
            return broken(where + "does not unpack");
        parts_.clear();
    } else {
        body = std::exchange(parts_, {});
    }
    behind = {sequence, at_.created_us, head.epoch, head.unit, head.hash};
    return Found::kLink;
}

}  // namespace millrace::runtime::cluster
