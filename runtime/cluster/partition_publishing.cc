// Part of PartitionMachine: what goes into the stream: sent, looked for, landed.
#include "core/assert.h"
#include "runtime/cluster/partition_machine.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::cluster {

UnitPlace PartitionMachine::next_place(std::uint64_t epoch) const {
    const store::ReplicaPosition& at = reader_.at();
    return {options_.partition, epoch, at.unit + 1, at.hash};
}

void PartitionMachine::publish(Purpose purpose, SealedUnit unit, std::int64_t now_ns) {
    Publication out;
    out.purpose = purpose;
    out.messages = unit.messages;
    out.unit = std::move(unit);
    out.base = read_to_;
    out.number = ++published_;
    out.sent_ns.assign(out.messages.size(), 0);
    under_way_ = std::move(out);
    send_more(now_ns);
}

void PartitionMachine::send_more(std::int64_t now_ns) {
    Publication& out = *under_way_;
    out.step = Step::kSending;
    out.sent = std::max(out.sent, out.landed);
    for (; out.sent < out.messages.size() && out.sent < out.landed + kWindow; ++out.sent) {
        if (out.sent_ns[out.sent] == 0) out.sent_ns[out.sent] = now_ns;
        stream_.publish((out.number << kPartBits) | out.sent, out.messages[out.sent],
                        out.base + out.sent);
        out.resent_ns = now_ns;
    }
}

void PartitionMachine::look_for_it(std::int64_t now_ns) {
    Publication& out = *under_way_;
    out.step = Step::kLooking;
    out.look_ns = now_ns + options_.again_ns;
    if (status_.connected) stream_.ask_last();
}

void PartitionMachine::take_taken(const StreamEvent& event, std::int64_t now_ns) {
    if (!under_way_ || event.tag >> kPartBits != under_way_->number) return;
    Publication& out = *under_way_;
    const std::size_t part = event.tag & ((1u << kPartBits) - 1);
    if (part >= out.messages.size() || part < out.landed) return;
    if (event.sequence != out.base + part + 1)
        return end(PartitionRole::kDiverged,
                   "the stream has put a message at " + std::to_string(event.sequence) +
                       " that was to stand at " + std::to_string(out.base + part + 1));
    // Each stands behind the one before it: what is before a landed one has landed.
    const std::int64_t leased_ns = out.sent_ns[part];
    out.landed = part + 1;
    out.resent_ns = now_ns;
    if (out.landed == out.messages.size()) return land(leased_ns, now_ns);
    if (out.step == Step::kSending) send_more(now_ns);
}

void PartitionMachine::take_last(const StreamEvent& event, std::int64_t now_ns) {
    if (wants_to_heal_ && diverged()) {
        if (!info_ || !info_->there) return;  // the next look asks again
        const auto message = read_message(event.bytes);
        healed_base_ = event.sequence;
        if (message) status_.epoch = std::max(status_.epoch, message->head.epoch);
        return begin_heal(now_ns);
    }
    if (!under_way_ || under_way_->step != Step::kLooking) return;
    compare_with_last(event, now_ns);
}

void PartitionMachine::compare_with_last(const StreamEvent& event, std::int64_t now_ns) {
    Publication& out = *under_way_;
    const auto message =
        event.sequence == 0 ? core::Result<Message>(Message{}) : read_message(event.bytes);
    if (!message)
        return end(PartitionRole::kDiverged,
                   "the stream's last message does not read: " + message.error().message);
    if (message->head.epoch > out.unit.epoch) {
        if (owner())
            return end(PartitionRole::kFenced, "the partition has another owner, of epoch " +
                                                   std::to_string(message->head.epoch));
        under_way_.reset();  // reading on tells more
        return;
    }
    if (event.sequence > out.base) {
        const std::uint64_t landed = event.sequence - out.base;
        if (landed > out.messages.size() || event.bytes != out.messages[landed - 1]) {
            if (owner())
                return end(PartitionRole::kDiverged, "the stream has a message of this epoch at " +
                                                         std::to_string(event.sequence) +
                                                         " that this owner has not written");
            under_way_.reset();
            return;
        }
        if (landed >= out.landed) {
            out.landed = landed;
            out.behind_ns = 0;
            // No lease comes of it: who says it may have been asked long ago.
            if (out.landed == out.messages.size()) return land(leased_ns_, now_ns);
            out.sent = out.landed;
            return send_more(now_ns);
        }
    } else if (event.sequence == out.base && out.landed == 0) {
        out.behind_ns = 0;
        out.sent = 0;
        return send_more(now_ns);
    }
    // Before what we have seen: an old answer, or the stream has lost its end.
    if (out.behind_ns == 0) out.behind_ns = now_ns;
    if (now_ns - out.behind_ns < options_.back_ns || send_lost_again(event, now_ns)) return;
    end(PartitionRole::kDiverged, "the partition's stream has gone back to message " +
                                      std::to_string(event.sequence) + ", this copy has seen " +
                                      std::to_string(out.base + out.landed) +
                                      " and does not have all of it as messages");
}

// The stream ends with a message that we have, or with the one before the first that we have.
bool PartitionMachine::leads_to_kept(const StreamEvent& last) const {
    const std::uint64_t first = kept_.front().sequence;
    if (last.sequence >= first) return kept_[last.sequence - first].bytes == last.bytes;
    if (last.sequence + 1 != first) return false;
    if (last.sequence == 0) return true;
    const auto before = read_message(last.bytes);
    const auto after = read_message(kept_.front().bytes);
    if (!before || !after) return false;
    return before->head.hash ==
           (after->head.kind == MessageKind::kBeat ? after->head.hash : after->head.previous_hash);
}

// The same bytes to the same places, where the stream's last message is one that we know.
bool PartitionMachine::send_lost_again(const StreamEvent& last, std::int64_t now_ns) {
    Publication& out = *under_way_;
    if (last.sequence >= out.base) {
        out.landed = out.sent = last.sequence - out.base;
        out.behind_ns = 0;
        send_more(now_ns);
        return true;
    }
    if (kept_.empty() || kept_.back().sequence != out.base || !leads_to_kept(last)) return false;
    std::vector<std::string> messages;
    for (const Kept& kept : kept_) {
        if (kept.sequence > last.sequence) messages.push_back(kept.bytes);
    }
    if (messages.size() + out.messages.size() >= (1u << kPartBits)) return false;
    messages.insert(messages.end(), out.messages.begin(), out.messages.end());
    out.messages = std::move(messages);
    out.base = last.sequence;
    out.number = ++published_;
    out.landed = out.sent = 0;
    out.behind_ns = 0;
    out.sent_ns.assign(out.messages.size(), 0);
    status_.trouble = "the partition's stream had lost its end from message " +
                      std::to_string(last.sequence + 1) + " on; it is sent again";
    send_more(now_ns);
    return true;
}

void PartitionMachine::land(std::int64_t leased_ns, std::int64_t now_ns) {
    Publication out = std::move(*under_way_);
    under_way_.reset();
    store::ReplicaPosition at = reader_.at();
    at.sequence = out.base + out.messages.size();
    std::uint64_t sequence = out.base;
    for (const std::string& message : out.messages) {
        if (++sequence <= read_to_) continue;
        keep(sequence, message);
        ring_.passed(sequence, message.size());
    }
    last_landed_ns_ = now_ns;
    leased_ns_ = std::max(leased_ns_, leased_ns);
    status_.trouble.clear();
    if (out.purpose != Purpose::kBeat) {
        at.epoch = out.unit.epoch;
        at.unit = out.unit.unit;
        at.hash = out.unit.hash;
    }
    if (out.purpose == Purpose::kEpoch) {
        if (info_) at.created_us = info_->created_us;
        if (auto noted = copy_.note(at); !noted)
            return end(PartitionRole::kFailed, noted.error().message);
        return become_owner(at, leased_ns);
    }
    reader_.passed(at);
    read_to_ = at.sequence;
    status_.applied = status_.appended = read_to_;
    status_.unit = at.unit;
    status_.hash = at.hash;
    if (out.purpose == Purpose::kUnit) {
        append_.reset();
        if (options_.waits_for_copy)
            awaited_ = at;
        else
            done_ = at;
    }
    if (out.purpose == Purpose::kHandOver)
        end(PartitionRole::kReleased, "handed over to " + hand_over_to_);
}

// Whoever is in this epoch has read all that came before it.
void PartitionMachine::take_synced(const StreamEvent& event, std::int64_t now_ns) {
    const SyncedWord& word = event.synced;
    if (word.holds)
        ring_.hold(word.node, word.sequence, now_ns);
    else
        ring_.heard(word.node, word.sequence);
    if (word.holds) return;  // not on its disk yet
    if (!awaited_ || word.epoch != awaited_->epoch || word.unit < awaited_->unit) return;
    done_ = *std::exchange(awaited_, std::nullopt);
}

void PartitionMachine::begin_epoch(std::int64_t now_ns) {
    const EpochBody body{options_.node, options_.url, options_.token, false};
    publish(Purpose::kEpoch,
            seal_unit(MessageKind::kEpoch, next_place(reader_.at().epoch + 1), body.json()),
            now_ns);
}

void PartitionMachine::become_owner(const store::ReplicaPosition& at, std::int64_t leased_ns) {
    under_way_.reset();
    if (auto synced = copy_.sync(); !synced)
        return end(PartitionRole::kFailed, synced.error().message);
    dirty_ = false;
    if (std::exchange(reading_, false)) stream_.stop_reading();
    reader_.passed(at);
    reader_.forget_parts();
    read_to_ = at.sequence;
    wants_to_own_ = wants_to_heal_ = scans_ = false;
    wrong_since_ns_ = 0;
    leased_ns_ = leased_ns;
    status_.role = PartitionRole::kOwner;
    status_.needs_snapshot = false;
    ring_.begin(read_to_);
    status_.epoch = at.epoch;
    status_.unit = at.unit;
    status_.hash = at.hash;
    status_.applied = status_.fsynced = status_.appended = read_to_;
    status_.owner = options_.node;
    status_.owner_url = options_.url;
    status_.trouble.clear();
}

bool PartitionMachine::has_room(std::size_t bytes, std::int64_t now_ns) {
    const bool has = ring_.may_append(bytes, now_ns);
    status_.waits_for = ring_.waits_for();
    return has;
}

void PartitionMachine::append(std::string_view batch, std::int64_t now_ns) {
    MR_ASSERT(may_append());
    append_ = seal_unit(MessageKind::kUnit, next_place(status_.epoch), batch);
    if (!under_way_) publish(Purpose::kUnit, *append_, now_ns);
}

std::optional<core::Result<store::ReplicaPosition>> PartitionMachine::done() {
    return std::exchange(done_, std::nullopt);
}

}  // namespace millrace::runtime::cluster
