// What: one set of subscriptions made ready for matching: the big part, or a small one beside it. Filled by
//       add(), closed by seal(), then immutable but for the marks of removal.
// Threads: add() and seal(): one thread. Then match(): any number of readers; remove(): one thread beside
//          them.
// Lifetime: shared by the snapshots it is in.
// Limits: 2^32 - 1 subscriptions.
// Failure: add() refuses what LeafStore and PatternStore refuse.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/event.h"
#include "core/field_table.h"
#include "core/ids.h"
#include "core/result.h"
#include "matcher/leaf_store.h"
#include "matcher/pattern_store.h"
#include "matcher/program.h"
#include "matcher/subscription_spec.h"

namespace millrace::matcher {

// A subscription that wants the event, in the order in which they are handed out.
struct Match {
    std::int32_t priority = 0;
    core::SubscriptionId id;

    bool operator<(const Match& other) const {
        return priority != other.priority ? priority > other.priority : id < other.id;
    }
};

// Snapshots are numbered; a subscription is seen by those below the number of its removal.
using Version = std::uint32_t;
inline constexpr Version kNeverRemoved = 0xffffffffu;

class Index {
public:
    using SlotOf = std::function<std::uint32_t(const Path&)>;

    Index();
    ~Index();
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    // Returns its number in this index.
    core::Result<std::uint32_t> add(core::SubscriptionId id, core::TenantId tenant, const SubscriptionSpec& spec,
                                    const SlotOf& slot_of);
    // A copy of one of another index.
    core::Result<std::uint32_t> add(const Index& other, std::uint32_t number);
    void seal();

    void remove(std::uint32_t number, Version version) {
        // relaxed: a reader that sees it early or late has a snapshot below `version` and ignores it.
        subscriptions_[number].removed_at.store(version, std::memory_order_relaxed);
    }
    bool is_alive(std::uint32_t number, Version version) const {
        return version < subscriptions_[number].removed_at.load(std::memory_order_relaxed);
    }
    bool was_removed(std::uint32_t number) const {
        return subscriptions_[number].removed_at.load(std::memory_order_relaxed) != kNeverRemoved;
    }

    void match(const core::Envelope& envelope, core::TenantId tenant, const core::FieldTable& fields,
               Version version, EvalScratch& scratch, std::vector<Match>& out) const;
    bool has_tenant(core::TenantId tenant) const;

    std::uint32_t size() const { return static_cast<std::uint32_t>(subscriptions_.size()); }
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
            : id(other.id), tenant(other.tenant), priority(other.priority), pattern(other.pattern),
              program(other.program), removed_at(other.removed_at.load(std::memory_order_relaxed)) {}
        Subscription& operator=(const Subscription&) = delete;
    };

    LeafStore leaves_;
    PatternStore patterns_;
    std::vector<Subscription> subscriptions_;
    std::vector<Token> tokens_;
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> by_tenant_;
};

}  // namespace millrace::matcher
