// Part of PartitionMachine: what stands in the stream is read, and written to the copy.
#include "runtime/cluster/partition_machine.h"

#include <string>
#include <utility>

namespace millrace::runtime::cluster {

void PartitionMachine::read_on() {
    reading_ = true;
    reader_.forget_parts();
    read_to_ = reader_.at().sequence;
    stream_.read_from(read_to_ + 1);
}

// The ring has gone over messages that this copy has not read. If it was but signs of life, the
// first that is there follows on what is here, and nothing is missing.
void PartitionMachine::look_over_the_gap(const StreamEvent& info) {
    // A ring gives nothing back, and of an empty one nobody can say what it was.
    if (status_.needs_snapshot || info.last < info.first) return need_snapshot(info.first);
    if (reading_) return;  // the reader will meet it, or is past it by now
    reading_ = probing_ = true;
    status_.role = PartitionRole::kCatchingUp;
    reader_.forget_parts();
    read_to_ = info.first - 1;
    stream_.read_from(info.first);
}

void PartitionMachine::need_snapshot(std::uint64_t first) {
    if (std::exchange(reading_, false)) stream_.stop_reading();
    probing_ = false;
    read_to_ = reader_.at().sequence;
    status_.needs_snapshot = true;
    status_.role = PartitionRole::kCatchingUp;
    status_.trouble = "the partition's stream begins at message " + std::to_string(first) +
                      ", this copy has read " + std::to_string(read_to_) + ": it needs a snapshot";
}

// A person has said that a copy counts which is no continuation of what stands before it: of a copy
// that has read only that nothing is worth keeping.
bool PartitionMachine::heals_another(const Message& message) const {
    if (!began_empty_ || message.head.kind != MessageKind::kEpoch ||
        message.head.epoch <= reader_.at().epoch)
        return false;
    const auto epoch = EpochBody::read(message.body);
    return epoch && epoch->heals;
}

// Behind a gap: what was in it is missing, or this copy has another history. To one that has
// nothing every stream that does not begin at the very beginning has a gap: one that was made anew
// and healed, say.
void PartitionMachine::take_broken(const StreamEvent& event) {
    const auto message = read_message(event.bytes);
    const bool behind_gap =
        probing_ || reader_.at().unit == 0 || (message && heals_another(*message));
    if (!behind_gap || !message || message->head.partition != options_.partition)
        return end(PartitionRole::kDiverged, reader_.why());
    const MessageHead& head = message->head;
    const store::ReplicaPosition& at = reader_.at();
    if (heals_another(*message)) return need_snapshot(event.sequence);
    const std::uint64_t before = head.kind == MessageKind::kBeat ? head.unit : head.unit - 1;
    const bool cut_short = before == at.unit && head.part != 0 && head.previous_hash == at.hash;
    if (before <= at.unit && !cut_short) return end(PartitionRole::kDiverged, reader_.why());
    need_snapshot(event.sequence);
}

void PartitionMachine::keep(std::uint64_t sequence, std::string_view bytes) {
    if (!kept_.empty() && kept_.back().sequence + 1 != sequence) {
        if (sequence >= kept_.front().sequence && sequence <= kept_.back().sequence) return;
        kept_.clear();
        kept_bytes_ = 0;
    }
    kept_.push_back({sequence, std::string(bytes)});
    kept_bytes_ += bytes.size();
    while (kept_bytes_ > kKeptBytesMax && kept_.size() > 1) {
        kept_bytes_ -= kept_.front().bytes.size();
        kept_.pop_front();
    }
}

void PartitionMachine::take_message(const StreamEvent& event, std::int64_t now_ns) {
    if (diverged()) return look_for_heal(event, now_ns);
    if (!reading_ || event.sequence <= read_to_) return;
    if (event.sequence != read_to_ + 1) {
        // The ring has gone over it, or the reader has left something out: the next look tells.
        reading_ = probing_ = false;
        read_to_ = reader_.at().sequence;
        stream_.stop_reading();
        return stream_.ask_info();
    }
    Message link;
    std::string body;
    store::ReplicaPosition behind;
    const auto found = reader_.take(event.sequence, event.bytes, link, body, behind);
    if (found == LinkReader::Found::kBroken) return take_broken(event);
    probing_ = false;
    read_to_ = event.sequence;
    ring_.passed(event.sequence, event.bytes.size());
    status_.appended = std::max(status_.appended, read_to_);
    keep(event.sequence, event.bytes);
    if (read_to_ > own_behind_) wants_to_own_ = false;
    heard_ns_ = now_ns;
    // Something stands where ours should: it has not landed, and will not. (Ours comes back here.)
    if (under_way_ && under_way_->purpose == Purpose::kEpoch && read_to_ > under_way_->base &&
        event.bytes != under_way_->messages.back())
        under_way_.reset();
    if (found == LinkReader::Found::kLink) take_link(link, body, behind, now_ns);
    if (over() || owner() || diverged()) return;
    status_.applied = reader_.at().sequence;
    if (info_ && read_to_ >= info_->last) status_.role = PartitionRole::kStandby;
}

void PartitionMachine::take_link(const Message& link, const std::string& body,
                                 const store::ReplicaPosition& behind, std::int64_t now_ns) {
    if (link.head.kind == MessageKind::kEpoch) return take_epoch(body, behind, now_ns);
    const auto taken =
        link.head.kind == MessageKind::kUnit ? copy_.apply(body, behind) : copy_.note(behind);
    if (!taken) {
        const bool conflict = taken.error().code == core::ErrorCode::kConflict;
        return end(conflict ? PartitionRole::kDiverged : PartitionRole::kFailed,
                   taken.error().message);
    }
    dirty_ = true;
    reader_.passed(behind);
    status_.unit = behind.unit;
    status_.hash = behind.hash;
    if (link.head.kind != MessageKind::kHandOver) return;
    const auto hand_over = HandOverBody::read(body);
    heard_ns_.reset();  // it has said that it does nothing any more
    if (hand_over && hand_over->to == options_.node) own();
}

void PartitionMachine::take_epoch(const std::string& body, const store::ReplicaPosition& behind,
                                  std::int64_t now_ns) {
    const auto epoch = EpochBody::read(body);
    if (!epoch) return end(PartitionRole::kDiverged, epoch.error().message);
    if (auto noted = copy_.note(behind); !noted)
        return end(PartitionRole::kFailed, noted.error().message);
    dirty_ = true;
    reader_.passed(behind);
    status_.epoch = behind.epoch;
    status_.unit = behind.unit;
    status_.hash = behind.hash;
    status_.owner = epoch->node;
    status_.owner_url = epoch->url;
    // Its acknowledgement went astray; no lease comes of it, the next message brings one.
    if (epoch->node == options_.node && epoch->token == options_.token && under_way_ &&
        under_way_->purpose == Purpose::kEpoch)
        return become_owner(behind, now_ns - options_.lease_ns);
    wants_to_own_ = false;
}

void PartitionMachine::tell_hold(std::int64_t now_ns) {
    if (hold_until_ns_ != 0 && (now_ns >= hold_until_ns_ || status_.needs_snapshot))
        hold_until_ns_ = 0;
    const store::ReplicaPosition& at = reader_.at();
    const std::uint64_t sequence = hold_ != 0 ? hold_ : hold_until_ns_ != 0 ? at.sequence : 0;
    if (sequence == 0 || now_ns - told_hold_ns_ < options_.tell_ns) return;
    told_hold_ns_ = now_ns;
    stream_.tell_synced({at.epoch, at.unit, sequence, options_.node, true});
}

// Again and again: what is told may be lost. At once where somebody waits for it: for the disk, or
// for the ring.
void PartitionMachine::tell_synced(std::int64_t now_ns) {
    const store::ReplicaPosition& at = reader_.at();
    const bool waited_for = (options_.waits_for_copy && at.unit != told_unit_) ||
                            ring_.bytes_behind(told_sequence_) > ring_.bytes_max() / 16;
    const bool news = at.sequence != told_sequence_;
    const std::int64_t rest_ns = news ? options_.tell_ns : options_.beat_ns;
    if (!(news && waited_for) && now_ns - told_ns_ < rest_ns) return;
    told_unit_ = at.unit;
    told_sequence_ = at.sequence;
    told_ns_ = now_ns;
    stream_.tell_synced({at.epoch, at.unit, at.sequence, options_.node, false});
}

}  // namespace millrace::runtime::cluster
