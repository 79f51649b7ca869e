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
#include "matcher/index/evaluator.h"
#include "matcher/index/huge_vector.h"
#include "matcher/index/leaf_store.h"
#include "matcher/index/match_list.h"
#include "matcher/index/pattern_groups.h"
#include "matcher/index/pattern_memo.h"
#include "matcher/index/pattern_store.h"
#include "matcher/index/pivot_chooser.h"
#include "matcher/index/pivot_table.h"
#include "matcher/index/program.h"
#include "matcher/index/range_index.h"
#include "matcher/index/text_probes.h"
#include "matcher/regex/regex_bank.h"
#include "matcher/subscription_spec.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace millrace::matcher {

// Snapshots are numbered; a subscription is seen by those below the number of its removal.
using Version = std::uint32_t;
inline constexpr Version kNeverRemoved = 0xffffffffu;

// What a reader keeps about one index between events.
struct IndexScratch {
    std::uint64_t serial = 0;          // of the index; 0: none
    std::uint64_t last_use = 0;        // when it was asked for last
    std::uint32_t epoch = 0;           // number of the event
    std::uint32_t met = 0;             // entries it was compared with
    std::vector<std::uint32_t> known;  // by memo number: epoch * 2 + verdict
    PatternMemo patterns;
    std::vector<GroupId> groups;
    std::vector<GroupAt> places;  // of the groups
    // Where patterns are not remembered: whose `places` are. Neighbours mostly share them.
    std::string last_pattern;
    std::uint32_t last_tenant = 0;
    bool last_known = false;
    // Entries that an array's values have met already in this event, by their address: an array of
    // a thousand equal values asks once, not a thousand times. A collision only costs asking again.
    struct Tried {
        const void* entry = nullptr;
        std::uint32_t epoch = 0;
    };
    std::array<Tried, 256> tried{};
    // Expressions of a bank that were found in a text of this event: groups ask the same texts.
    struct Scanned {
        const char* text = nullptr;
        std::uint32_t bank = 0;
        std::uint32_t epoch = 0;
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
    };
    std::array<Scanned, 8> scanned{};
    std::vector<std::uint32_t> found;
    std::uint32_t found_epoch = 0;
    // What hangs at the first values of an event's first probes, looked up side by side.
    struct Ahead {
        std::uint64_t hash = 0;
        std::span<const Entry> entries;
        std::uint32_t probe = 0;
    };
    std::array<Ahead, 24> ahead{};
    std::size_t ahead_count = 0;
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
    // kThorough also compiles what takes milliseconds for each expression: in the background.
    enum class Sealing : std::uint8_t { kQuick, kThorough };
    // `live` tells how rare values are among the events that come; it may be null.
    void seal(Sealing sealing, const Selectivity* live = nullptr);

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
               EvalScratch& eval, MatchList& out) const;
    // Entries that the last match() with this scratch looked at are in scratch.met.

    // Starts to fetch what an event with this pattern will ask for.
    void expect(std::string_view pattern, core::TenantId tenant, IndexScratch& scratch) const;
    bool outgrows_caches() const { return size() >= kLookAheadMin; }
    bool has_tenant(core::TenantId tenant) const { return groups_.has_tenant(tenant); }

    std::uint64_t serial() const { return serial_; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(subscriptions_.size()); }
    std::size_t unpivoted() const { return direct_.size(); }
    // Expressions that are asked one by one until the next thorough sealing.
    std::size_t loose_regexes() const { return loose_regexes_; }
    core::SubscriptionId id_of(std::uint32_t number) const { return subscriptions_[number].id; }
    std::size_t bytes() const;
    // Slots that its conditions ask, each once.
    const std::vector<std::uint32_t>& slots() const { return slots_; }

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
    // What hangs at one field in one group. One line of the cache.
    struct alignas(64) Probe {
        std::uint32_t group = 0;
        std::uint32_t slot = 0;
        bool other_equals = false;      // numbers, true, false, null
        bool only_text = false;         // nothing but whole texts
        std::uint32_t range = kNoSlot;  // into ranges_
        std::uint32_t listed = 0;       // into bounds_ and bounded_
        std::uint32_t listed_count = 0;
        std::uint32_t bank = kNoSlot;  // into banks_
        std::uint64_t cidr = 0;        // bit n: blocks of n bits
        TextProbes plain;
        TextProbes folded;
        // value_bit() of the whole values that hang here: most groups have few.
        std::uint64_t values = 0;

        bool has_ranges() const { return listed_count != 0 || range != kNoSlot; }
    };
    static_assert(sizeof(Probe) == 64);
    static std::uint64_t value_bit(std::uint64_t hash) { return 1ULL << (hash >> 58); }
    // Conditions that remain together. Subscriptions made from one template share them, and ask
    // them once an event.
    struct RestList {
        std::uint32_t begin = 0;  // into residuals_
        std::uint32_t count = 0;
        std::uint32_t memo = LeafStore::kNoMemo;
        std::uint32_t uses = 0;
    };
    struct GroupPart {
        std::uint32_t direct = 0;
        std::uint32_t direct_count = 0;
        std::uint32_t probes = 0;
        std::uint32_t probe_count = 0;
    };
    struct Building;
    struct BuildingRange {
        GroupId group;
        std::uint32_t slot;
        LeafId leaf;
        std::uint32_t number;
    };
    struct Asking;
    using Ahead = IndexScratch::Ahead;
    static constexpr std::uint32_t kNoSlot = 0xffffffffu;

    void note_slots();
    void hang(std::uint32_t number, const PivotChooser& chooser, Building& building);
    Entry make_entry(std::uint32_t number, LeafId met);
    void set_residual(const std::vector<LeafId>& rest, Entry& entry);
    std::uint32_t rest_list(const std::vector<LeafId>& rest);
    bool as_number(LeafId leaf, Entry& entry) const;
    Probe& probe_of(GroupId group, std::uint32_t slot, Building& building);
    void hang_ranges(Building& building);
    void hang_range_run(const BuildingRange* begin, const BuildingRange* end, Building& building);
    bool closed_bounds(const LeafStore::Record& record, Bounds& bounds) const;
    void sort_out(Building& building);
    void add_to_bank(std::uint32_t regex, Probe& probe, Building& building);
    void compile_banks(Sealing sealing);

    void start_scratch(IndexScratch& scratch) const;
    // Of fewer, what is asked lies in the caches anyway.
    static constexpr std::uint32_t kLookAheadMin = 32'768;
    static std::uint64_t memo_hash(core::TenantId tenant, std::string_view pattern) {
        return core::hash_key(pattern) + tenant.value * core::kHashSeedB;
    }
    // Patterns to remember at most, two a set: as many as a large set of subscriptions has kinds of
    // events. All of them are a tenth of its memory; a reader's memo grows there only when needed.
    std::size_t memo_sets() const {
        if (size() <= 4096) return size() > 256 ? 512 : 32;
        return std::clamp<std::size_t>(std::bit_floor(size() / 16), 1024, 16'384);
    }
    void prefetch_groups(std::span<const GroupAt> groups) const;
    // A very small index with nothing but exact patterns finds them as fast again.
    bool remembers_patterns() const { return size() > 256 || !groups_.is_cheap(); }
    std::span<const GroupAt> groups_of(Asking& asking) const;
    static constexpr std::size_t kAheadProbesMax = 64;
    void ask_side_by_side(std::span<const GroupAt> groups, Asking& asking) const;
    std::uint64_t hash_ahead(std::span<const GroupAt> groups, Asking& asking) const;
    void ask(const Probe& probe, const Ahead* ahead, Asking& asking) const;
    void ask_values(const Probe& probe, const core::FieldValue& first, const Ahead* ahead,
                    Asking& asking) const;
    void ask_other(const Probe& probe, const core::FieldValue& value, Asking& asking) const;
    void ask_range(const Probe& probe, const core::FieldValue& value, Asking& asking) const;
    void ask_text(const Probe& probe, std::string_view text, const Ahead* ahead,
                  Asking& asking) const;
    void ask_cidr(const Probe& probe, std::string_view text, Asking& asking) const;
    void ask_bank(const Probe& probe, std::string_view text, Asking& asking) const;
    void take_direct(const Entry* entry, std::uint32_t count, Asking& asking) const;
    void take_equal(const Probe& probe, std::string_view text, const Ahead* ahead,
                    Asking& asking) const;
    void take(const Entry& entry, Asking& asking) const;
    void take_whole(const Entry& entry, Asking& asking) const;
    void consider(const Entry& entry, Asking& asking) const;
    void pass(const Entry& entry, Asking& asking) const;
    bool combines(const Entry& entry, Asking& asking) const;
    static bool was_tried(const void* entry, Asking& asking);
    bool rest_holds(const Entry& entry, Asking& asking) const;
    bool leaf_holds(LeafId leaf, Asking& asking) const;
    bool rests_hold(std::uint32_t number, Asking& asking) const;

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
    HugeVector<Bounds> bounds_;
    HugeVector<Entry> bounded_;  // beside bounds_
    std::vector<RangeIndex> ranges_;
    std::vector<std::uint32_t> slots_;
    std::vector<RegexBank> banks_;  // one a path
    std::size_t loose_regexes_ = 0;
    HugeVector<RestList> rests_;
    HugeVector<LeafId> residuals_;
    InternTable rest_by_hash_;  // while building
    PivotTable table_;
    GramFilter grams_;
    std::uint32_t memos_ = 0;
    std::uint32_t always_ = kNoSlot;  // place of the shared program "always"
};

}  // namespace millrace::matcher
