// Part of PartitionMachine: a stream that is not what this copy has followed, and the way back.
#include "runtime/cluster/partition_machine.h"

#include <string>
#include <utility>

namespace millrace::runtime::cluster {

// What is true of a moment may have been said by a leader of before: it has to stay so.
void PartitionMachine::wait_or_diverge(std::string why, std::int64_t now_ns) {
    if (wrong_since_ns_ == 0) wrong_since_ns_ = now_ns;
    status_.trouble = why;
    if (now_ns - wrong_since_ns_ < options_.back_ns || diverged()) return;
    end(PartitionRole::kDiverged, std::move(why));
    only_missed_ = true;
}

// The stream that this copy has followed is there again after all (nats-servers that were killed
// may go on saying for long that there is none): nothing of another history was read, and what is
// read from here on has to follow on what was.
bool PartitionMachine::comes_back(const StreamEvent& info) {
    const store::ReplicaPosition& at = reader_.at();
    if (!only_missed_ || !info.there || wants_to_heal_ || at.created_us != info.created_us)
        return false;
    if (std::exchange(scans_, false)) stream_.stop_reading();
    leave_diverged(PartitionRole::kCatchingUp);
    return true;
}

void PartitionMachine::leave_diverged(PartitionRole role) {
    only_missed_ = false;
    wrong_since_ns_ = 0;
    status_.role = role;
    status_.trouble.clear();
}

void PartitionMachine::diverge(std::string why) {
    if (owner() || diverged()) return;
    status_.needs_snapshot = false;  // not over this one
    end(PartitionRole::kDiverged, std::move(why));
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

void PartitionMachine::begin_heal(std::int64_t now_ns) {
    const EpochBody body{options_.node, options_.url, options_.token, true};
    // From here on this is the stream that the copy goes with; the epoch brings it to the disk.
    store::ReplicaPosition at = reader_.at();
    at.sequence = read_to_ = healed_base_;
    at.created_us = info_->created_us;
    reader_.passed(at);
    ring_.forget();
    kept_.clear();
    kept_bytes_ = 0;
    wants_to_heal_ = false;
    leave_diverged(PartitionRole::kStandby);
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
            ring_.forget();
            leave_diverged(PartitionRole::kCatchingUp);
            StreamEvent again = event;
            return take_message(again, now_ns);
        }
    }
    if (message && message->head.kind == MessageKind::kEpoch && message->head.epoch > at.epoch) {
        const auto epoch = EpochBody::read(message->body);
        status_.healed_without |= epoch && epoch->heals;
    }
    if (event.sequence < scan_to_) return;
    scans_ = false;
    stream_.stop_reading();
}

}  // namespace millrace::runtime::cluster
