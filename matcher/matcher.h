// What: all subscriptions of all tenants behind one question: which of them want this event? The
//       Matcher takes changes and publishes immutable Snapshots; readers match against the newest
//       one without waiting for anybody.
// Threads: Matcher: one thread (the conductor), but for register_reader() before the readers start,
//       and all_observed(). Reader and its MatchScratch: one thread each. Snapshot: any number of
//       readers.
// Lifetime: the Matcher outlives its readers. A Snapshot is valid until its reader's next observe()
//       or offline(). Slots of its plan() go with this snapshot: parse and match with the same one.
// Limits: matcher/filter/limits.h for a subscription; no bound on their number but memory.
// Failure: add() and replace() refuse what Hyperscan refuses, with the reason; matching never
// fails. Library use, without the server: matcher/README.md and matcher/example.cc.
#pragma once

#include "core/event.h"
#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/ids.h"
#include "core/rcu.h"
#include "core/result.h"
#include "matcher/subscription_spec.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::matcher {

class Snapshot;

// What one reader needs beside the snapshot: memo of event patterns, marks, scratch memory. Grows
// to its working size, then allocates nothing.
class MatchScratch {
public:
    MatchScratch();
    ~MatchScratch();
    MatchScratch(const MatchScratch&) = delete;
    MatchScratch& operator=(const MatchScratch&) = delete;

    struct Impl;
    Impl& impl() { return *impl_; }

private:
    std::unique_ptr<Impl> impl_;
};

class Snapshot {
public:
    Snapshot();
    ~Snapshot();
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    // The fields to extract from events that are matched with this snapshot.
    const core::FieldPlan& plan() const;
    std::size_t subscription_count() const;
    // Grows with each publication.
    std::uint64_t version() const;
    // 0 when nobody of this tenant subscribes to anything: the event needs no fields then.
    bool has_tenant(core::TenantId tenant) const;

    // Puts the ids of this tenant's subscriptions that want the event into `out` (emptied first),
    // by priority from high to low, then by id. `fields` was filled with plan(); the pattern is the
    // envelope's.
    void match(const core::Envelope& envelope, core::TenantId tenant,
               const core::FieldTable& fields, MatchScratch& scratch,
               std::vector<core::SubscriptionId>& out) const;

    // A hint: an event with this pattern is being parsed and will be matched next. Starts to fetch
    // what the match will look at; worth it where an index does not fit into the caches.
    void expect(std::string_view pattern, core::TenantId tenant, MatchScratch& scratch) const;

    struct Impl;
    const Impl& impl() const { return *impl_; }
    Impl& impl() { return *impl_; }

private:
    std::unique_ptr<Impl> impl_;
};

class Matcher {
public:
    struct Options {
        // Rebuild of the big part when the small one beside it holds this many changes, or a
        // quarter of the big one if that is more.
        std::size_t delta_changes_max = 4096;
        // false: rebuilds happen inside maintain(), on the caller's thread (simulation, tests).
        bool background_thread = true;
        // Values of one event in 64 are kept (512 KiB), for rebuilds to choose pivots by.
        bool samples = true;
    };
    struct Item {
        core::SubscriptionId id;
        core::TenantId tenant;
        const SubscriptionSpec* spec = nullptr;
    };
    // Figures for /metrics.
    struct Stats {
        std::size_t subscriptions = 0;
        std::size_t delta_changes = 0;
        std::size_t paths = 0;              // of fields that are extracted
        std::size_t bytes = 0;              // of the index, all parts
        std::size_t unpivoted_clauses = 0;  // looked at for every event of their pattern
        double entries_per_event = 0;       // looked at, of the sampled events of late
        std::uint64_t regex_failures = 0;   // scans that Hyperscan failed
        std::uint64_t rebuilds = 0;
        std::int64_t last_rebuild_us = 0;
    };

    Matcher();
    explicit Matcher(const Options& options);
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;
    ~Matcher();

    // Changes gather until publish(). An id that is there is an error for add() and none for
    // replace().
    core::Status add(core::SubscriptionId id, core::TenantId tenant, const SubscriptionSpec& spec);
    core::Status replace(core::SubscriptionId id, core::TenantId tenant,
                         const SubscriptionSpec& spec);
    bool remove(core::SubscriptionId id);
    // Many at once, at start: all or none; builds the big part on the caller's thread.
    core::Status load(std::span<const Item> items);

    // Makes the changes visible, all at once, to every batch that begins from now on; returns the
    // epoch for all_observed(). Cheap: the small part only.
    std::uint64_t publish();
    // No batch that began before that epoch is being matched any more: the change is effective.
    bool all_observed(std::uint64_t epoch) const { return domain_.all_observed(epoch); }

    // Now and then (every few ms): frees old snapshots, starts or finishes a rebuild of the big
    // part. Returns whether anything was done.
    bool maintain();
    // Whether a rebuild is going on; asked by whoever calls maintain().
    bool rebuilding() const;

    bool contains(core::SubscriptionId id) const;
    Stats stats() const;

    // One per matching thread.
    class Reader {
    public:
        Reader() = default;
        // At a batch boundary: the newest snapshot, valid until the next call of one of these two.
        const Snapshot& observe() {
            reader_.observe();
            return *published_->acquire();
        }
        void offline() { reader_.offline(); }

    private:
        friend class Matcher;
        core::RcuDomain::Reader reader_;
        const core::Published<Snapshot>* published_ = nullptr;
    };
    Reader register_reader();

private:
    struct Impl;
    core::RcuDomain domain_;
    core::Published<Snapshot> published_{domain_};
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::matcher
