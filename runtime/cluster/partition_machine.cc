#include "runtime/cluster/partition_machine.h"

#include "core/assert.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::cluster {
namespace {

constexpr std::uint64_t kPartBits = 16;
static_assert(kPartsMax < (1u << kPartBits) / 2);

}  // namespace

std::string_view role_text(PartitionRole role) {
    switch (role) {
        case PartitionRole::kCatchingUp: return "catching-up";
        case PartitionRole::kStandby: return "standby";
        case PartitionRole::kOwner: return "owner";
        case PartitionRole::kFenced:
        case PartitionRole::kReleased: return "fenced";
        case PartitionRole::kDiverged: return "diverged";
        case PartitionRole::kFailed: return "failed";
    }
    return "failed";
}

PartitionMachine::PartitionMachine(Options options, StreamPort& stream, PartitionCopy& copy,
                                   const store::ReplicaPosition& at)
    : options_(std::move(options)),
      stream_(stream),
      copy_(copy),
      reader_(options_.partition, at),
      read_to_(at.sequence) {
    status_.epoch = at.epoch;
    status_.unit = at.unit;
    status_.hash = at.hash;
    status_.applied = status_.fsynced = at.sequence;
}

void PartitionMachine::end(PartitionRole role, std::string why) {
    if (over()) return;
    status_.role = role;
    status_.trouble = std::move(why);
    under_way_.reset();
    const bool waits = append_ || awaited_;
    append_.reset();
    awaited_.reset();
    if (waits) done_ = core::fail(core::ErrorCode::kUnavailable, "cluster: " + status_.trouble);
    if (std::exchange(reading_, false)) stream_.stop_reading();
    wants_to_own_ = false;
}

// ---- what the stream says

void PartitionMachine::on(StreamEvent&& event, std::int64_t now_ns) {
    using Kind = StreamEvent::Kind;
    if (over()) return;
    switch (event.kind) {
        case Kind::kUp:
            status_.connected = true;
            info_.reset();
            looked_ns_ = now_ns;
            stream_.ask_info();
            if (under_way_) look_for_it(now_ns);
            break;
        case Kind::kDown:
            status_.connected = false;
            reading_ = false;
            info_.reset();
            scans_ = false;
            if (!event.words.empty()) status_.trouble = event.words;
            break;
        case Kind::kTaken: take_taken(event, now_ns); break;
        case Kind::kRefused:
        case Kind::kUnsure:
            if (under_way_ && event.tag >> kPartBits == under_way_->number &&
                under_way_->step == Step::kSending) {
                if (!event.wrong_place && !event.words.empty()) status_.trouble = event.words;
                look_for_it(now_ns);
            }
            break;
        case Kind::kMessage: take_message(event, now_ns); break;
        case Kind::kLast: take_last(event, now_ns); break;
        case Kind::kInfo: take_info(event, now_ns); break;
        case Kind::kUnfit: status_.trouble = event.words; break;
        case Kind::kSynced: take_synced(event); break;
    }
}

// Whoever is in this epoch has read all that came before it.
void PartitionMachine::take_synced(const StreamEvent& event) {
    if (!awaited_ || event.tag != awaited_->epoch || event.sequence < awaited_->unit) return;
    done_ = *std::exchange(awaited_, std::nullopt);
}

// Again and again: what is told may be lost.
void PartitionMachine::tell_synced(std::int64_t now_ns) {
    const store::ReplicaPosition& at = reader_.at();
    if (at.unit == told_unit_ && now_ns - told_ns_ < options_.beat_ns) return;
    told_unit_ = at.unit;
    told_ns_ = now_ns;
    stream_.tell_synced(at.epoch, at.unit);
}

// What is true of a moment may have been said by a leader of before: it has to stay so.
void PartitionMachine::wait_or_diverge(std::string why, std::int64_t now_ns) {
    if (wrong_since_ns_ == 0) wrong_since_ns_ = now_ns;
    status_.trouble = why;
    if (now_ns - wrong_since_ns_ >= options_.back_ns && !diverged())
        end(PartitionRole::kDiverged, std::move(why));
}

void PartitionMachine::take_info(const StreamEvent& event, std::int64_t now_ns) {
    const store::ReplicaPosition& at = reader_.at();
    // Of what was appended while this process was not there nobody knows when.
    if (!info_ever_ && at.epoch != 0) heard_ns_ = now_ns;
    info_ever_ = true;
    info_ = event;
    if (diverged()) {
        // Somebody may have healed the partition meanwhile.
        if (event.there && !scans_ && !wants_to_heal_ && event.last >= event.first &&
            event.last != 0) {
            scans_ = true;
            scan_to_ = event.last;
            stream_.read_from(event.first);
        }
        return;
    }
    if (!event.there) {
        if (at.unit == 0) {
            status_.trouble =
                "the partition's stream is not there; `millrace cluster init` makes it";
            return;
        }
        return wait_or_diverge("the partition's stream is gone; this copy has read it to message " +
                                   std::to_string(read_to_),
                               now_ns);
    }
    if (at.created_us != 0 && at.created_us != event.created_us)
        return wait_or_diverge("the partition's stream is another one than this copy has followed",
                               now_ns);
    wrong_since_ns_ = 0;
    status_.appended = std::max(event.last, read_to_);
    if (owner()) return;
    if (event.last < read_to_) {
        // An owner sends it again; it has lost nothing that this copy does not have.
        status_.trouble = "the partition's stream ends at message " + std::to_string(event.last) +
                          ", this copy has read " + std::to_string(read_to_);
        status_.role = PartitionRole::kStandby;
        return;
    }
    if (event.first > read_to_ + 1) {
        status_.needs_snapshot = true;
        status_.role = PartitionRole::kCatchingUp;
        status_.trouble = "the partition's stream begins at message " +
                          std::to_string(event.first) + ", this copy has read " +
                          std::to_string(read_to_) + ": it needs a snapshot";
        return;
    }
    if (!status_.trouble.empty() && !under_way_) status_.trouble.clear();
    if (at.created_us == 0) {
        store::ReplicaPosition known = at;
        known.created_us = event.created_us;
        reader_.passed(known);
    }
    status_.role = event.last > read_to_ ? PartitionRole::kCatchingUp : PartitionRole::kStandby;
    if (!reading_) read_on();
}

void PartitionMachine::read_on() {
    reading_ = true;
    reader_.forget_parts();
    read_to_ = reader_.at().sequence;
    stream_.read_from(read_to_ + 1);
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
        reading_ = false;
        stream_.stop_reading();
        return stream_.ask_info();
    }
    Message link;
    std::string body;
    store::ReplicaPosition behind;
    const auto found = reader_.take(event.sequence, event.bytes, link, body, behind);
    if (found == LinkReader::Found::kBroken) return end(PartitionRole::kDiverged, reader_.why());
    read_to_ = event.sequence;
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

// ---- what goes into the stream

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
        if (++sequence > read_to_) keep(sequence, message);
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
    status_.epoch = at.epoch;
    status_.unit = at.unit;
    status_.hash = at.hash;
    status_.applied = status_.fsynced = status_.appended = read_to_;
    status_.owner = options_.node;
    status_.owner_url = options_.url;
    status_.trouble.clear();
}

void PartitionMachine::begin_epoch(std::int64_t now_ns) {
    const EpochBody body{options_.node, options_.url, options_.token, false};
    publish(Purpose::kEpoch,
            seal_unit(MessageKind::kEpoch, next_place(reader_.at().epoch + 1), body.json()),
            now_ns);
}

void PartitionMachine::begin_heal(std::int64_t now_ns) {
    const EpochBody body{options_.node, options_.url, options_.token, true};
    // From here on this is the stream that the copy goes with; the epoch brings it to the disk.
    store::ReplicaPosition at = reader_.at();
    at.sequence = read_to_ = healed_base_;
    at.created_us = info_->created_us;
    reader_.passed(at);
    wrong_since_ns_ = 0;
    kept_.clear();
    kept_bytes_ = 0;
    wants_to_heal_ = false;
    status_.role = PartitionRole::kStandby;
    publish(Purpose::kEpoch,
            seal_unit(MessageKind::kEpoch, next_place(status_.epoch + 1), body.json()), now_ns);
}

// Another copy was said to be the truth: if it is like this one, this one goes on behind it.
void PartitionMachine::look_for_heal(const StreamEvent& event, std::int64_t now_ns) {
    if (!scans_ || !info_) return;
    const auto message = read_message(event.bytes);
    const store::ReplicaPosition& at = reader_.at();
    if (message && message->head.kind == MessageKind::kEpoch && message->head.unit == at.unit + 1 &&
        message->head.previous_hash == at.hash && message->head.epoch > at.epoch) {
        const auto epoch = EpochBody::read(message->body);
        if (epoch && epoch->heals) {
            scans_ = false;
            store::ReplicaPosition before = at;
            before.created_us = info_->created_us;
            before.sequence = event.sequence - 1;
            reader_.passed(before);
            read_to_ = before.sequence;
            reading_ = true;
            wrong_since_ns_ = 0;
            status_.role = PartitionRole::kCatchingUp;
            status_.trouble.clear();
            StreamEvent again = event;
            return take_message(again, now_ns);
        }
    }
    if (event.sequence < scan_to_) return;
    scans_ = false;
    stream_.stop_reading();
}

// ---- the node's words

void PartitionMachine::own() {
    wants_to_own_ = true;
    own_behind_ = std::max(status_.appended, read_to_);
}

// A tenth more than the lease: no two clocks run alike.
std::int64_t PartitionMachine::may_own_ns() const {
    return heard_ns_ ? *heard_ns_ + options_.lease_ns + options_.lease_ns / 10 : 0;
}

void PartitionMachine::heal() {
    if (!diverged()) return;
    wants_to_heal_ = true;
    if (std::exchange(scans_, false)) stream_.stop_reading();
    if (status_.connected) {
        stream_.ask_info();
        stream_.ask_last();
    }
}

void PartitionMachine::hand_over(std::string_view to) {
    if (!owner()) return;
    handing_over_ = true;
    hand_over_to_ = to;
}

void PartitionMachine::append(std::string_view batch, std::int64_t now_ns) {
    MR_ASSERT(may_append());
    append_ = seal_unit(MessageKind::kUnit, next_place(status_.epoch), batch);
    if (!under_way_) publish(Purpose::kUnit, *append_, now_ns);
}

std::int64_t PartitionMachine::lease_until_ns() const {
    // Whoever it is handed over to begins before the word comes that the hand-over has landed.
    return owner() && !handing_over_ ? leased_ns_ + options_.lease_ns : 0;
}

std::optional<core::Result<store::ReplicaPosition>> PartitionMachine::done() {
    return std::exchange(done_, std::nullopt);
}

// ---- time

void PartitionMachine::turn(std::int64_t now_ns) {
    if (over()) return;
    if (dirty_ && !owner()) {
        dirty_ = false;
        if (auto synced = copy_.sync(); !synced)
            return end(PartitionRole::kFailed, synced.error().message);
    }
    if (!owner()) status_.fsynced = status_.applied;
    if (!status_.connected) return;
    if (options_.waits_for_copy && reading_ && !owner()) tell_synced(now_ns);
    if (now_ns - looked_ns_ >= options_.look_ns) {
        looked_ns_ = now_ns;
        stream_.ask_info();
        if (wants_to_heal_) stream_.ask_last();
    }
    if (under_way_) {
        const Publication& out = *under_way_;
        const bool late = out.step == Step::kSending ? now_ns - out.resent_ns >= options_.answer_ns
                                                     : now_ns >= out.look_ns;
        if (late) look_for_it(now_ns);
        return;
    }
    if (owner()) {
        if (append_) return publish(Purpose::kUnit, *append_, now_ns);
        if (handing_over_) {
            const HandOverBody body{hand_over_to_};
            return publish(
                Purpose::kHandOver,
                seal_unit(MessageKind::kHandOver, next_place(status_.epoch), body.json()), now_ns);
        }
        if (now_ns - last_landed_ns_ >= options_.beat_ns) {
            const store::ReplicaPosition& at = reader_.at();
            publish(Purpose::kBeat, seal_beat({options_.partition, at.epoch, at.unit, at.hash}),
                    now_ns);
        }
        return;
    }
    if (wants_to_own_ && now_ns >= may_own_ns() && !diverged() && info_ && info_->there &&
        !status_.needs_snapshot && read_to_ >= info_->last && (reading_ || info_->last < read_to_))
        begin_epoch(now_ns);
}

std::int64_t PartitionMachine::next_ns(std::int64_t now_ns) const {
    if (over()) return now_ns + options_.look_ns;
    if (dirty_) return now_ns;
    std::int64_t next = looked_ns_ + options_.look_ns;
    if (options_.waits_for_copy && reading_ && !owner())
        next = std::min(next, told_ns_ + options_.beat_ns);
    if (wants_to_own_ && info_ && !under_way_ && !owner() && read_to_ >= info_->last)
        next = std::min(next, std::max(now_ns, may_own_ns()));
    if (under_way_)
        next = std::min(next, under_way_->step == Step::kSending
                                  ? under_way_->resent_ns + options_.answer_ns
                                  : under_way_->look_ns);
    else if (owner())
        next =
            std::min(next, append_ || handing_over_ ? now_ns : last_landed_ns_ + options_.beat_ns);
    return next;
}

}  // namespace millrace::runtime::cluster
