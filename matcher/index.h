// What: one set of subscriptions made ready for matching: the big part, or a small one beside it.
//       Filled by add(), closed by seal(), then immutable but for the marks of removal.
//       A subscription belongs to a group (tenant, statement about the pattern) and hangs in it on
//       its pivot; an event asks, for each group its pattern concerns, for the pivots its own
//       values meet.
// Threads: add() and seal(): one thread. Then match(): any number of readers; remove(): one thread
//       beside
//          them.
// Lifetime: shared by the snapshots it is in.
// Limits: 2^32 - 1 subscriptions.
// Failure: add() refuses what LeafStore and PatternStore refuse.
#pragma once

#include "core/event.h"
#include "core/field_table.h"
#include "core/ids.h"
#include "core/result.h"
#include "matcher/huge_vector.h"
#include "matcher/leaf_store.h"
#include "matcher/pattern_groups.h"
#include "matcher/pattern_memo.h"
#include "matcher/pattern_store.h"
#include "matcher/pivot_chooser.h"
#include "matcher/pivot_table.h"
#include "matcher/program.h"
#include "matcher/range_index.h"
#include "matcher/subscription_spec.h"
#include "matcher/text_probes.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::matcher {

// A subscription that wants the event, in the order in which they are handed out.
struct Match {
    std::int32_t priority = 0;
    core::SubscriptionId id;

    bool operator<(const Match& other) const {
        return priority != other.priority ? priority > other.priority : id < other.id;
    }
    bool operator==(const Match&) const = default;
};

// Snapshots are numbered; a subscription is seen by those below the number of its removal.
using Version = std::uint32_t;
inline constexpr Version kNeverRemoved = 0xffffffffu;

// What a reader keeps about one index between events.
struct IndexScratch {
    std::uint64_t serial = 0;          // of the index; 0: none
    std::uint32_t epoch = 0;           // number of the event
    std::vector<std::uint32_t> known;  // by memo number: epoch * 2 + verdict
    PatternMemo patterns;
    std::vector<GroupId> groups;
    // Entries that an array's values have met already in this event, by their address: an array of
    // a thousand equal values asks once, not a thousand times. A collision only costs asking again.
    struct Tried {
        const void* entry = nullptr;
        std::uint32_t epoch = 0;
    };
    std::array<Tried, 256> tried{};
};

class Index {
public:
    using SlotOf = std::function<std::uint32_t(const Path&)>;

    // Serials tell indexes of one matcher apart.
    explicit Index(std::uint64_t serial = 1);
    ~Index();
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    // Returns its number in this index.
    core::Result<std::uint32_t> add(core::SubscriptionId id, core::TenantId tenant,
                                    const SubscriptionSpec& spec, const SlotOf& slot_of);
    // A copy of one of another index.
    core::Result<std::uint32_t> add(const Index& other, std::uint32_t number);
    void seal();

    void remove(std::uint32_t number, Version version) {
        // relaxed: a reader that sees it early or late has a snapshot below `version` and ignores
        // it.
        subscriptions_[number].removed_at.store(version, std::memory_order_relaxed);
        has_removed_.store(true, std::memory_order_relaxed);
    }
    bool is_alive(std::uint32_t number, Version version) const {
        return version < subscriptions_[number].removed_at.load(std::memory_order_relaxed);
    }
    bool was_removed(std::uint32_t number) const {
        return subscriptions_[number].removed_at.load(std::memory_order_relaxed) != kNeverRemoved;
    }

    // Appends what wants the event; the same subscription may come twice.
    void match(const core::Envelope& envelope, core::TenantId tenant,
               const core::FieldTable& fields, Version version, IndexScratch& scratch,
               EvalScratch& eval, std::vector<Match>& out) const;
    bool has_tenant(core::TenantId tenant) const { return groups_.has_tenant(tenant); }

    std::uint64_t serial() const { return serial_; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(subscriptions_.size()); }
    std::size_t unpivoted() const { return direct_.size(); }
    core::SubscriptionId id_of(std::uint32_t number) const { return subscriptions_[number].id; }
    std::size_t bytes() const;

private:
    struct Subscription {
        core::SubscriptionId id;
        core::TenantId tenant;
        std::int32_t priority = 0;
        PatternId pattern = 0;
        std::uint32_t program = 0;
        std::atomic<Version> removed_at{kNeverRemoved};

        Subscription() = default;
        Subscription(const Subscription& other)
            : id(other.id),
              tenant(other.tenant),
              priority(other.priority),
              pattern(other.pattern),
              program(other.program),
              removed_at(other.removed_at.load(std::memory_order_relaxed)) {}
        Subscription& operator=(const Subscription&) = delete;
    };
    // What hangs at one field in one group.
    struct Probe {
        std::uint32_t group = 0;
        std::uint32_t slot = 0;
        bool other_equals = false;      // numbers, true, false, null
        std::uint32_t range = kNoSlot;  // into ranges_
        std::uint64_t cidr = 0;         // bit n: blocks of n bits
        TextProbes plain;
        TextProbes folded;
    };
    struct GroupPart {
        std::uint32_t direct = 0;
        std::uint32_t direct_count = 0;
        std::uint32_t probes = 0;
        std::uint32_t probe_count = 0;
    };
    struct Building;
    struct Asking;
    static constexpr std::uint32_t kNoSlot = 0xffffffffu;

    void hang(std::uint32_t number, const PivotChooser& chooser, Building& building);
    Entry make_entry(std::uint32_t number, LeafId met);
    void set_residual(const std::vector<LeafId>& rest, Entry& entry);
    bool as_number(LeafId leaf, Entry& entry) const;
    Probe& probe_of(GroupId group, std::uint32_t slot, Building& building);
    void hang_ranges(Building& building);
    void sort_out(Building& building);

    // A small index with nothing but exact patterns finds them as fast again.
    bool remembers_patterns() const { return size() > 4096 || !groups_.is_cheap(); }
    const std::vector<GroupId>& groups_of(Asking& asking) const;
    void ask(const Probe& probe, Asking& asking) const;
    void ask_text(const Probe& probe, std::string_view text, Asking& asking) const;
    void ask_cidr(const Probe& probe, std::string_view text, Asking& asking) const;
    void take(const Entry& entry, Asking& asking) const;
    void consider(const Entry& entry, Asking& asking) const;
    static bool was_tried(const void* entry, Asking& asking);
    bool rest_holds(const Entry& entry, Asking& asking) const;
    bool leaf_holds(LeafId leaf, Asking& asking) const;

    const std::uint64_t serial_;
    LeafStore leaves_;
    PatternStore patterns_;
    PatternGroups groups_{patterns_};
    HugeVector<Subscription> subscriptions_;
    std::atomic<bool> has_removed_{false};
    HugeVector<Token> tokens_;
    HugeVector<GroupPart> parts_;  // by group
    HugeVector<Entry> direct_;
    HugeVector<Probe> probes_;
    std::vector<RangeIndex> ranges_;
    HugeVector<LeafId> residuals_;
    PivotTable table_;
    GramFilter grams_;
    std::uint32_t memos_ = 0;
    std::uint32_t always_ = kNoSlot;  // place of the shared program "always"
};

}  // namespace millrace::matcher
