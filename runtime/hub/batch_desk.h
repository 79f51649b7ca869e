// What: the hub's side of its edges: takes their batches into the log, each offset once, and knows
//       what each edge is at. A batch is one result for a shard: its events, and the mark behind
//       them. With all events at home in one shard that is one commit, else the mark follows; what
//       a crash between the two brings again is known by its ids, which follow from edge and event.
// Threads: the API thread's; when_durable comes from shards and is handed back by `post`.
// Lifetime: borrows all of Deps.
// Limits: one batch of an edge's shard at a time, kIncarnationsMax folders of an edge.
// Failure: take() answers with kConflict where the edge is not the one that it was (a copy of it),
//          kUnavailable where nothing may be taken now; nothing of the batch is taken then.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/hub/batch_payment.h"
#include "runtime/hub/edge_events.h"
#include "runtime/hub/edge_filters.h"
#include "runtime/hub/edge_mark.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/set_aside.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime::hub {

// What an edge is told.
struct BatchTaken {
    std::uint64_t to = 0;  // everything before it has been taken
    std::uint64_t hash = 0;
    std::uint64_t events = 0;  // of this batch
};

// What is known of an edge.
struct EdgeStatus {
    struct Shard {
        EdgeMark mark;
        std::uint64_t end = 0;  // of the edge's log, when it was heard last; 0: not yet
    };
    std::int64_t seen_us = 0;  // heard of last; 0: not since this start
    std::string last_error;
    std::int64_t last_error_at_us = 0;
    std::uint64_t duplicates = 0;  // since this start
    std::vector<Shard> shards;     // of all its folders
};

class BatchDesk {
public:
    static constexpr std::size_t kIncarnationsMax = 16;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::Database* database = nullptr;
        std::function<RegistrySnapshotRef()> registry;
        std::size_t shards = 1;
        std::size_t event_bytes_max = 0;
        // False when the shard's ring is full.
        std::function<bool(core::ShardId, std::unique_ptr<LaneResult>&)> submit;
        // Whether the tenant may send so many events and bytes now; they count then.
        std::function<core::Status(core::TenantId, std::size_t events, std::size_t bytes)> may_take;
        // Nothing may be taken now.
        std::function<bool()> holds;
        // Runs it on the API thread.
        std::function<void(std::function<void()>)> post;
    };
    explicit BatchDesk(Deps deps);

    core::Status load(SetAside& aside);
    void changed(const DocumentChange<EdgeNode>& change);
    void changed(const DocumentChange<Subscription>& change) { filters_.follow(change); }

    // Whose token this is, among edges of that name; null: nobody's.
    EdgeRef known_by(std::string_view node, std::string_view token) const;
    // `done` is called once: at once, or when the batch is durable.
    using Done = std::function<void(core::Result<BatchTaken>&&)>;
    void take(const EdgeRef& edge, std::string_view bytes, Done done);
    // It has asked for something.
    void heard(const EdgeNode& edge) { edges_[edge.number.value].seen_us = deps_.clock->wall_us(); }

    EdgeStatus look(EdgeNumber number) const;
    // What is wanted of a tenant's edges.
    const EdgeFilters& filters() const { return filters_; }

private:
    // Of an edge's shard in one of its folders.
    using Key = std::tuple<std::uint32_t, std::uint64_t, std::uint32_t>;  // edge, folder, shard
    struct Place {
        EdgeMark mark;
        std::uint64_t end = 0;
        bool under_way = false;
    };
    struct Figures {
        core::Counter taken, rejected, skipped, duplicates;
        core::Gauge lag;
    };
    struct Seen {
        std::int64_t seen_us = 0;
        std::string last_error;
        std::int64_t last_error_at_us = 0;
        std::shared_ptr<std::atomic<std::uint64_t>> duplicates =
            std::make_shared<std::atomic<std::uint64_t>>(0);
        std::uint64_t told_duplicates = 0;
        std::optional<Figures> figures;
        BatchPayment paid;
    };

    core::Status judge(const EdgeNode& edge, const Batch& batch, bool& answered, BatchTaken& out);
    core::Status may_take_now(const EdgeNode& edge, const Batch& batch);
    void accept(const EdgeNode& edge, const Batch& batch, const Key& key, Done&& done);
    void settle(const Key& key, const EdgeMark& mark, std::uint64_t events, const Done& done);
    void tell_figures(const EdgeNode& edge, const Batch& batch, std::size_t letters);
    // Rows of folders that an edge has left long ago.
    void forget_oldest(const EdgeMark& newest, store::RowBatch& rows);
    core::ShardId home_of(const Key& key) const;

    const Deps deps_;
    core::MetricsRole& role_;
    EdgeEvents events_;
    EdgeFilters filters_;
    std::map<Key, Place> places_;
    std::map<std::uint32_t, Seen> edges_;
    std::string lines_;
};

}  // namespace millrace::runtime::hub
