// What: one copy of a partition, as a machine: what its stream says and what its node is told go
//       in, what is asked of the stream and written to the copy come out. It follows the stream;
//       told to own, it appends an epoch behind the last thing that it has read, which the stream
//       takes from one only; as owner it appends its store's writes, one at a time, each behind the
//       one before.
//
//       What was published and not answered is looked for: the stream's last message is ours, or
//       one before it (the same bytes again, to the same place: only one can land), or of a higher
//       epoch: then somebody else owns the partition, and nothing of ours will ever be there.
//
//       Told to nobody: whether an unanswered message "probably" landed. A word of the stream that
//       can be old (its last message) only ever leads to another try, never to an acknowledgement
//       of what it does not show.
//
//       Nobody appends an epoch before the lease of an owner that it has heard of is over, whatever
//       it is told: two owners never begin deliveries at the same time.
// Threads: one. Lifetime: borrows stream and copy. Time is an argument.
// Limits: one append at a time; kWindow messages of it under way; kKeptBytesMax of messages are
//         remembered, so that a stream that has lost its end gets them again. As owner it stays
//         within half of the ring ahead of copies that are in sync (ring_watch.h).
// Failure: kFenced and kDiverged are ends (of kDiverged a person's heal() is the way out); kFailed:
//         the copy does not take what it should.
#pragma once

#include "core/result.h"
#include "runtime/cluster/link_reader.h"
#include "runtime/cluster/ring_watch.h"
#include "runtime/cluster/stream_port.h"
#include "runtime/cluster/unit_message.h"
#include "store/replica/replica_gate.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::cluster {

// What is followed with; store::ReplicaStore in production. As owner it is not used any more.
class PartitionCopy {
public:
    virtual ~PartitionCopy() = default;
    virtual core::Status apply(std::string_view batch, const store::ReplicaPosition& at) = 0;
    virtual core::Status note(const store::ReplicaPosition& at) = 0;
    virtual core::Status sync() = 0;
};

enum class PartitionRole : std::uint8_t {
    kCatchingUp,  // follows, and more is there than was read
    kStandby,     // has all that there was at the last look
    kOwner,
    kFenced,    // was owner, and another one is
    kReleased,  // was owner, and has let go
    kDiverged,  // the stream is not what this copy has followed
    kFailed,
};
std::string_view role_text(PartitionRole role);

struct PartitionStatus {
    PartitionRole role = PartitionRole::kCatchingUp;
    std::uint64_t epoch = 0;
    std::uint64_t first = 0;     // the stream's first message, at the last look
    std::uint64_t appended = 0;  // and its last, as far as is known
    std::uint64_t applied = 0;   // the last one that was read here, or written
    std::uint64_t fsynced = 0;   // and is on the disk, as follower
    std::uint64_t unit = 0;
    std::uint64_t hash = 0;
    bool connected = false;
    bool needs_snapshot = false;  // the stream begins behind this copy
    // Diverged, and a person has said of another copy, which is none of this one's, that it counts.
    bool healed_without = false;
    // Copies in sync that this owner has waited for in vain: it goes on when they are in sync no
    // more.
    std::vector<std::string> waits_for{};
    std::vector<std::string> near{};   // and those that it need not wait for, at the last look
    std::string owner{}, owner_url{};  // of the last epoch that was read
    std::string trouble{};
    std::uint64_t lag() const { return appended > applied ? appended - applied : 0; }
};

class PartitionMachine {
public:
    static constexpr std::size_t kWindow = 8;
    static constexpr std::size_t kKeptBytesMax = 16u << 20;

    struct Options {
        std::uint16_t partition = 0;
        std::string node{};
        std::string url{};
        std::string token{};  // of this process; no other one has it
        std::int64_t lease_ns = 3'000'000'000;
        std::int64_t beat_ns = 1'000'000'000;
        std::int64_t look_ns = 2'000'000'000;    // at how the stream stands
        std::int64_t answer_ns = 2'000'000'000;  // then it is looked for
        std::int64_t again_ns = 250'000'000;
        // So long a stream must be seen behind this copy before it counts as gone back: a leader of
        // before may have said it.
        std::int64_t back_ns = 10'000'000'000;
        // An append is done when a follower has it on its disk too. With none there nothing is.
        bool waits_for_copy = false;
        // So long an owner waits for a copy in sync that the ring would go over.
        std::int64_t ring_wait_ns = 5'000'000'000;
        std::int64_t tell_ns = 100'000'000;  // to the owner, how far this copy is
        // It begins with a snapshot: until it follows, the owner is not to run over it.
        bool begins_with_snapshot = false;
        std::int64_t follows_ns = 5'000'000'000;  // so long, from its first look on
    };

    PartitionMachine(Options options, StreamPort& stream, PartitionCopy& copy,
                     const store::ReplicaPosition& at);

    void on(StreamEvent&& event, std::int64_t now_ns);
    // After all that is there was given to on(): what was applied goes to the disk, what is late is
    // looked for.
    void turn(std::int64_t now_ns);

    // The node's words. A wish to own ends with whatever the owner appends from now on: it lives.
    void own();
    // A person's: this copy is the truth, whatever the stream says.
    void heal();
    // What was found elsewhere: this copy's log is no beginning of the others'.
    void diverge(std::string why);
    // As owner, when nothing is under way any more.
    void hand_over(std::string_view to);
    // The owner is not to run over what stands behind `sequence` now: this copy is being filled up
    // to there. 0: it may.
    void hold(std::uint64_t sequence) { hold_ = sequence; }
    // Whom META calls in sync, beside this one.
    void in_sync(const std::vector<std::string>& nodes);

    // As owner, one at a time: done() has the answer. has_room(): the ring goes over nobody by it.
    bool may_append() const {
        return status_.role == PartitionRole::kOwner && !append_ && !awaited_ && !handing_over_;
    }
    bool has_room(std::size_t bytes, std::int64_t now_ns);
    void append(std::string_view batch, std::int64_t now_ns);
    // Empty: not yet. An error: it never will be.
    std::optional<core::Result<store::ReplicaPosition>> done();

    const PartitionStatus& status() const { return status_; }
    // Of the last message that was read or landed: what a snapshot has to have in it.
    store::ReplicaPosition position() const;
    // Deliveries may begin before it.
    std::int64_t lease_until_ns() const;
    // The moment at which turn() has something to do, at the latest.
    std::int64_t next_ns(std::int64_t now_ns) const;

private:
    enum class Purpose : std::uint8_t { kEpoch, kUnit, kHandOver, kBeat };
    enum class Step : std::uint8_t { kSending, kLooking };
    // In the tags of messages: the number of their publication, and which of it.
    static constexpr std::uint64_t kPartBits = 16;
    static_assert(kPartsMax < (1u << kPartBits) / 2);
    // What is on its way into the stream.
    struct Publication {
        Purpose purpose = Purpose::kBeat;
        SealedUnit unit;
        std::vector<std::string> messages;  // the unit's, and before them what the stream has lost
        std::uint64_t base = 0;             // the message that they stand behind
        std::size_t landed = 0;             // of them, from the first on
        std::size_t sent = 0;
        std::uint64_t number = 0;
        Step step = Step::kSending;
        std::vector<std::int64_t> sent_ns;  // each for the first time
        std::int64_t resent_ns = 0;
        std::int64_t look_ns = 0;    // when the last message is asked for again
        std::int64_t behind_ns = 0;  // since when the stream is seen before `base`; 0: it is not
    };
    struct Kept {
        std::uint64_t sequence = 0;
        std::string bytes;
    };

    UnitPlace next_place(std::uint64_t epoch) const;
    void publish(Purpose purpose, SealedUnit unit, std::int64_t now_ns);
    void send_more(std::int64_t now_ns);
    void look_for_it(std::int64_t now_ns);
    void take_taken(const StreamEvent& event, std::int64_t now_ns);
    void take_last(const StreamEvent& event, std::int64_t now_ns);
    void compare_with_last(const StreamEvent& event, std::int64_t now_ns);
    std::int64_t may_own_ns() const;
    bool leads_to_kept(const StreamEvent& last) const;
    bool send_lost_again(const StreamEvent& last, std::int64_t now_ns);
    void land(std::int64_t leased_ns, std::int64_t now_ns);
    void take_synced(const StreamEvent& event, std::int64_t now_ns);
    void tell_hold(std::int64_t now_ns);
    void tell_synced(std::int64_t now_ns);
    void take_info(const StreamEvent& event, std::int64_t now_ns);
    void take_message(const StreamEvent& event, std::int64_t now_ns);
    void look_over_the_gap(const StreamEvent& info);
    void take_broken(const StreamEvent& event);
    bool heals_another(const Message& message) const;
    void need_snapshot(std::uint64_t first);
    void take_link(const Message& link, const std::string& body,
                   const store::ReplicaPosition& behind, std::int64_t now_ns);
    void take_epoch(const std::string& body, const store::ReplicaPosition& behind,
                    std::int64_t now_ns);
    void look_for_heal(const StreamEvent& event, std::int64_t now_ns);
    void become_owner(const store::ReplicaPosition& at, std::int64_t leased_ns);
    void begin_epoch(std::int64_t now_ns);
    void begin_heal(std::int64_t now_ns);
    void read_on();
    void keep(std::uint64_t sequence, std::string_view bytes);
    void wait_or_diverge(std::string why, std::int64_t now_ns);
    bool comes_back(const StreamEvent& info);
    void leave_diverged(PartitionRole role);
    void note_trouble(const std::string& words);
    void end(PartitionRole role, std::string why);
    bool over() const {
        return status_.role == PartitionRole::kFenced || status_.role == PartitionRole::kReleased ||
               status_.role == PartitionRole::kFailed;
    }
    bool owner() const { return status_.role == PartitionRole::kOwner; }
    bool diverged() const { return status_.role == PartitionRole::kDiverged; }

    const Options options_;
    StreamPort& stream_;
    PartitionCopy& copy_;
    PartitionStatus status_;
    LinkReader reader_;
    RingWatch ring_;
    const bool began_empty_;
    std::uint64_t read_to_;  // of the stream, parts and signs of life too
    std::deque<Kept> kept_;
    std::size_t kept_bytes_ = 0;

    std::optional<StreamEvent> info_;  // of the last look, since the last kUp
    bool info_ever_ = false;
    std::int64_t looked_ns_ = 0;
    std::int64_t wrong_since_ns_ = 0;
    bool only_missed_ = false;  // diverged from a stream that was not there: nothing of it was read
    bool reading_ = false;
    bool probing_ = false;  // reads behind a gap, in which may have been nothing but signs of life
    bool dirty_ = false;    // applied and not synced

    bool wants_to_own_ = false;
    std::uint64_t own_behind_ = 0;  // known of the stream when that was said
    // When the last owner was heard of. It may act until its lease ends, which began before.
    std::optional<std::int64_t> heard_ns_;
    bool wants_to_heal_ = false;
    bool scans_ = false;  // diverged, and reads for an epoch that heals
    std::uint64_t scan_to_ = 0;
    std::uint64_t healed_base_ = 0;
    std::optional<Publication> under_way_;
    std::uint64_t published_ = 0;
    std::optional<SealedUnit> append_;               // waits or is under way
    std::optional<store::ReplicaPosition> awaited_;  // it has landed, and waits for a copy
    std::uint64_t told_unit_ = 0;                    // of what is synced here
    std::uint64_t told_sequence_ = 0;
    std::uint64_t hold_ = 0;
    std::int64_t hold_until_ns_ = 0;
    std::int64_t told_hold_ns_ = 0;
    std::int64_t told_ns_ = 0;
    std::optional<core::Result<store::ReplicaPosition>> done_;
    bool handing_over_ = false;
    std::string hand_over_to_;
    std::int64_t leased_ns_ = 0;
    std::int64_t last_landed_ns_ = 0;
};

}  // namespace millrace::runtime::cluster
