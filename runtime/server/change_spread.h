// What: makes a change of what is registered known to everybody who works by it: keys, books of
//       sources, schemas and edges, scheduler, links, versions of workflows, and the matcher, whose
//       shards have taken it up when changed() returns.
// Threads: the conductor's; version() any.
// Lifetime: borrows all of Deps, and what it is connected to.
// Limits: kEffectiveUsMax for all shards. Failure: changed(): a shard does not take it up, or what
//         seals runs can not be made; whoever asked takes the change back, and calls undone().
#pragma once

#include "matcher/matcher.h"
#include "runtime/api/services.h"
#include "runtime/server/behind_orders.h"
#include "runtime/server/key_directory.h"
#include "runtime/server/shard.h"
#include "runtime/server/sideline.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace millrace::runtime {

class ChangeSpread {
public:
    struct Deps {
        CanaryTable* canaries = nullptr;
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        Registry* registry = nullptr;
        SourceBook* sources = nullptr;
        EdgeBook* edge_book = nullptr;
        SchemaBook* schemas = nullptr;
        StateBook* states = nullptr;
        matcher::Matcher* matcher = nullptr;
        matcher::Matcher::Reader* reader = nullptr;  // the conductor's own
        BehindOrders* behind_orders = nullptr;
        KeyDirectory* keys = nullptr;
        LinkAgent* links = nullptr;
        hub::BatchDesk* edges = nullptr;
        Sideline* haul = nullptr;
        // While a change is waited for: the processor is the others'. Null: by the system.
        std::function<void()> yield;
    };
    explicit ChangeSpread(Deps deps);

    // Before the threads start, once they exist.
    void connect(std::span<Shard* const> shards, Scheduler& scheduler);
    void connect_workflows(const api::WorkflowServices& workflows) { workflows_ = workflows; }

    core::Status changed(const RegistryChange& change);
    void undone(const RegistryChange& change);
    // Many at once, which nobody takes back: on an Error they are in force some time later, and the
    // next call waits for them too.
    core::Status changed_all(std::span<const RegistryChange> changes);
    // Of the registry, as lanes have to know it.
    std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

private:
    static constexpr std::int64_t kEffectiveUsMax = 5'000'000;

    void show_version();
    void tell_books(const RegistryChange& change);
    core::Status keep_run_key(const RegistryChange& change);
    core::Result<bool> tell_matcher(const RegistryChange& change);
    void drop_canary(ScriptNumber number);
    void follow_schema(const DocumentChange<EventSchema>& change);
    void fall_behind(const Subscription& now);
    core::Status wait_until_effective();

    const Deps deps_;
    std::vector<Shard*> shards_;
    Scheduler* scheduler_ = nullptr;
    api::WorkflowServices workflows_;
    std::atomic<std::uint64_t> version_{0};
    bool unobserved_ = false;  // of changed_all()
};

}  // namespace millrace::runtime
