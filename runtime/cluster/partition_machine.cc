#include "runtime/cluster/partition_machine.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::cluster {

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
      ring_(options_.ring_wait_ns),
      began_empty_(at.unit == 0),
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

// Why a copy has diverged is told until it has not, whatever comes behind it.
void PartitionMachine::note_trouble(const std::string& words) {
    if (!words.empty() && !diverged()) status_.trouble = words;
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
            reading_ = scans_ = false;
            if (std::exchange(probing_, false)) read_to_ = reader_.at().sequence;
            info_.reset();
            wrong_since_ns_ = 0;  // what is seen behind this is seen for the first time
            note_trouble(event.words);
            break;
        case Kind::kTaken: take_taken(event, now_ns); break;
        case Kind::kRefused:
        case Kind::kUnsure:
            if (under_way_ && event.tag >> kPartBits == under_way_->number &&
                under_way_->step == Step::kSending) {
                if (!event.wrong_place) note_trouble(event.words);
                look_for_it(now_ns);
            }
            break;
        case Kind::kMessage: take_message(event, now_ns); break;
        case Kind::kLast: take_last(event, now_ns); break;
        case Kind::kInfo: take_info(event, now_ns); break;
        case Kind::kUnfit: note_trouble(event.words); break;
        case Kind::kSynced: take_synced(event, now_ns); break;
    }
}

void PartitionMachine::take_info(const StreamEvent& event, std::int64_t now_ns) {
    const store::ReplicaPosition& at = reader_.at();
    // Of what was appended while this process was not there nobody knows when.
    if (!info_ever_ && at.epoch != 0) heard_ns_ = now_ns;
    if (!info_ever_ && options_.begins_with_snapshot) hold_until_ns_ = now_ns + options_.follows_ns;
    info_ever_ = true;
    info_ = event;
    status_.first = event.first;
    if (diverged() && !comes_back(event)) {
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
    ring_.stands({event.first, event.last, event.bytes_there, event.ring_bytes});
    status_.near = ring_.near();
    if (owner()) return;
    if (event.last < read_to_) {
        // An owner sends it again; it has lost nothing that this copy does not have.
        status_.trouble = "the partition's stream ends at message " + std::to_string(event.last) +
                          ", this copy has read " + std::to_string(read_to_);
        status_.role = PartitionRole::kStandby;
        return;
    }
    if (event.first > read_to_ + 1) return look_over_the_gap(event);
    if (!status_.trouble.empty() && !under_way_) status_.trouble.clear();
    if (at.created_us == 0) {
        store::ReplicaPosition known = at;
        known.created_us = event.created_us;
        reader_.passed(known);
    }
    status_.role = event.last > read_to_ ? PartitionRole::kCatchingUp : PartitionRole::kStandby;
    if (!reading_) read_on();
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

void PartitionMachine::hand_over(std::string_view to) {
    if (!owner()) return;
    handing_over_ = true;
    hand_over_to_ = to;
}

store::ReplicaPosition PartitionMachine::position() const { return reader_.at(); }

std::int64_t PartitionMachine::lease_until_ns() const {
    // Whoever it is handed over to begins before the word comes that the hand-over has landed.
    return owner() && !handing_over_ ? leased_ns_ + options_.lease_ns : 0;
}

void PartitionMachine::in_sync(const std::vector<std::string>& nodes) {
    ring_.in_sync(nodes);
    status_.waits_for = ring_.waits_for();
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
    if (!owner()) tell_hold(now_ns);
    if (reading_ && !owner()) tell_synced(now_ns);
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
        !status_.needs_snapshot && !probing_ && read_to_ >= info_->last &&
        (reading_ || info_->last < read_to_))
        begin_epoch(now_ns);
}

std::int64_t PartitionMachine::next_ns(std::int64_t now_ns) const {
    if (over()) return now_ns + options_.look_ns;
    if (dirty_) return now_ns;
    std::int64_t next = looked_ns_ + options_.look_ns;
    if (hold_ != 0 || hold_until_ns_ != 0) next = std::min(next, told_hold_ns_ + options_.tell_ns);
    if (reading_ && !owner()) {
        const bool news = told_sequence_ != reader_.at().sequence;
        next = std::min(next, told_ns_ + (news ? options_.tell_ns : options_.beat_ns));
    }
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
