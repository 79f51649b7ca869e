// What: the hub's side of its edges: takes their batches into the log, each offset once, and knows
//       what each edge is at. A batch is one result for a shard: its events, and the mark behind
//       them. With all events at home in one shard that is one commit, else the mark follows; what
//       a crash between the two brings again is known by its ids, which follow from edge and event.
//       Several batches of a shard may be on their way, each behind the one before it; one that has
//       overtaken its predecessor waits for it. What filters have left out can be asked for later
//       (batch_backfills.cc, backfill.h).
// Threads: the API thread's; when_durable comes from shards and is handed back by `post`.
// Lifetime: borrows all of Deps.
// Limits: kUnderWayMax batches of an edge's shard on their way to the log, kEarlyMax that have come
//         too early, till something comes kEarlyNs later, kEarlyBytesMax of all edges (overflow
//         policy: refused, the edge sends them again); kIncarnationsMax folders of an edge,
//         kBackfillsMax backfills of one; kFiltersKeptMax filters that were told, with their texts.
// Failure: take() answers with kConflict where the edge is not the one that it was (a copy of it),
//          kUnavailable where nothing may be taken now; nothing of the batch is taken then.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "runtime/delivery/intake_deps.h"
#include "runtime/hub/batch_payment.h"
#include "runtime/hub/edge_events.h"
#include "runtime/hub/edge_filters.h"
#include "runtime/hub/edge_mark.h"
#include "runtime/registry/edge_book.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/set_aside.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime::hub {

// Whether an edge says that it has sent what stands before a batch, and that nothing begins with
// it.
enum class Follows : std::uint8_t { kMaybe, kYes };

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
    std::vector<Shard> shards;     // of all its folders; what goes first is one of its own
    std::vector<EdgeMark> backfills;
};

class BatchDesk {
public:
    static constexpr std::size_t kIncarnationsMax = 16;
    static constexpr std::size_t kUnderWayMax = 8;
    static constexpr std::size_t kEarlyMax = 4;
    static constexpr std::size_t kEarlyBytesMax = 32u << 20;
    static constexpr std::int64_t kEarlyNs = 5'000'000'000;
    static constexpr std::size_t kBackfillsMax = 64;
    static constexpr std::size_t kFiltersKeptMax = 256;

    struct Deps : IntakeDeps {
        const EdgeBook* book = nullptr;
        // Runs it on the API thread.
        std::function<void(std::function<void()>)> post;
    };
    explicit BatchDesk(Deps deps);

    core::Status load(SetAside& aside);
    void changed(const DocumentChange<EdgeNode>& change);
    void changed(const DocumentChange<Subscription>& change) { filters_.follow(change); }

    // Whose token this is, among edges of that name; null: nobody's.
    EdgeRef known_by(std::string_view node, std::string_view token) const {
        return deps_.book->known_by(node, token, deps_.clock->wall_us());
    }
    // `done` is called once: at once, or when the batch is durable.
    using Done = std::function<void(core::Result<BatchTaken>&&)>;
    void take(const EdgeRef& edge, std::string_view bytes, Follows follows, Done done);
    // It has asked for something.
    void heard(const EdgeNode& edge) { edges_[edge.number.value].seen_us = deps_.clock->wall_us(); }

    EdgeStatus look(EdgeNumber number) const;
    // What is wanted of a tenant's edges.
    const EdgeFilters& filters() const { return filters_; }
    // The same for this one, with what it is asked for of the past: the answer to its heartbeat.
    std::string told_to(const EdgeNode& edge) const;

    // Asks an edge for what filters have left out, of the folder that was heard last. `done` gets
    // the backfills that were begun, when that is durable.
    using Asked = std::function<void(core::Result<std::vector<EdgeMark>>&&)>;
    void ask_for_the_rest(const EdgeRef& edge, Asked done);

private:
    // Of an edge's lane in one of its folders.
    using Key = std::tuple<std::uint32_t, std::uint64_t, std::uint32_t>;  // edge, folder, lane
    using FilterKey = std::pair<std::uint32_t, std::uint64_t>;            // tenant, version
    struct Place {
        EdgeMark mark;  // durable
        EdgeMark tail;  // behind the last that is on its way
        std::uint64_t end = 0;
        std::size_t under_way = 0;
    };
    struct Early {
        EdgeRef edge;
        Batch batch;
        Done done;
        std::int64_t since_ns = 0;
    };
    using EarlyKey = std::pair<Key, std::uint64_t>;  // and the offset that it begins with
    enum class Verdict : std::uint8_t { kTake, kKnown, kEarly };
    struct Figures {
        core::Counter taken, rejected, skipped, duplicates;
        core::Gauge lag;
    };
    static constexpr std::array<std::pair<std::string_view, core::Counter Figures::*>, 4>
        kOutcomes = {{{"taken", &Figures::taken},
                      {"rejected", &Figures::rejected},
                      {"skipped", &Figures::skipped},
                      {"duplicate", &Figures::duplicates}}};
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

    core::Result<Verdict> judge(const EdgeNode& edge, const Batch& batch, Follows follows,
                                BatchTaken& known) const;
    void offer(const EdgeRef& edge, Batch&& batch, Follows follows, Done&& done);
    void refuse(const EdgeNode& edge, core::Error&& error, const Done& done);
    core::Status may_take_now(const EdgeNode& edge, const Batch& batch);
    void accept(const EdgeNode& edge, const Batch& batch, const Key& key, Done&& done);
    void settle(const Key& key, const EdgeMark& mark, std::uint64_t events, const Done& done);
    void keep_early(const EdgeRef& edge, Batch&& batch, const Key& key, Done&& done);
    void take_early(const Key& key);
    // Those for which `over` is true do not wait on.
    void end_early(const core::Error& why, const std::function<bool(const Early&)>& over);
    void tell_figures(const EdgeNode& edge, const Batch& batch, std::size_t letters);
    void tell_durable_figures(std::uint32_t edge, std::uint64_t incarnation);
    void forget_figures(const EdgeNode& edge);
    // A folder that an edge has left long ago, where it has too many.
    std::optional<std::uint64_t> folder_to_forget(const EdgeMark& newest) const;
    template <typename Visit>
    void each_place_of(std::uint32_t edge, Visit&& visit) const {
        for (auto at = places_.lower_bound({edge, 0, 0});
             at != places_.end() && std::get<0>(at->first) == edge; ++at)
            visit(at->first, at->second);
    }
    core::ShardId home_of(const Key& key) const;
    std::uint64_t lag_of(std::uint32_t edge, std::uint64_t incarnation) const;

    // batch_backfills.cc
    core::Status load_filters();
    bool keeps_filter(const EdgeNode& edge, std::uint64_t version, store::RowBatch& rows) const;
    std::vector<EdgeMark> new_backfills(const EdgeNode& edge, std::uint64_t incarnation) const;
    bool is_asked_for(const EdgeMark& of, const SkipRun& run) const;

    const Deps deps_;
    core::MetricsRole& role_;
    EdgeEvents events_;
    EdgeFilters filters_;
    std::map<Key, Place> places_;
    std::map<EarlyKey, Early> early_;
    std::size_t early_bytes_ = 0;
    std::map<FilterKey, std::string> kept_filters_;  // as they were told; of marks
    std::map<std::uint32_t, Seen> edges_;
    std::string lines_;
};

}  // namespace millrace::runtime::hub
