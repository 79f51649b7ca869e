// Figures of EngineServices: what people and machines are shown of how the engine is.
#include "runtime/server/engine_services.h"
#include "runtime/server/stats_sampler.h"
#include "store/retention/space_guard.h"
#include "store/rows/dead_letters.h"
#include "store/rows/retry_schedule.h"

#include <algorithm>

namespace millrace::runtime {

using core::Metric;

// By the monotonic clock, whatever happens to the wall's.
std::size_t EngineServices::sample_stats() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (sampled_ns_ != 0 && now_ns - sampled_ns_ < StatsSeries::kEveryUs * 1000) return 0;
    sampled_ns_ = now_ns;
    LogEnds handled;
    for (const Shard* shard : shards_) handled.push_back(shard->cursor());
    series_.add(
        take_stats_sample(*deps_.metrics, *deps_.database, handled, deps_.clock->wall_us()));
    if (stats_tail_->streams() == 0) return 1;
    std::string newest;
    core::JsonWriter json(newest);
    series_.append_newest(json);
    stats_tail_->tell(newest);
    return 1;
}

void EngineServices::add_gauges() {
    core::Metrics& metrics = *deps_.metrics;
    const auto over_shards = [this](auto read) {
        return [this, read] {
            double sum = 0;
            for (const Shard* shard : shards_) sum += static_cast<double>(read(*shard));
            return sum;
        };
    };
    metrics.gauge_callback(Metric::kQueueSize, [this] {
        // Rows are beside the shards' counts: what is put off has left those.
        std::int64_t waiting =
            static_cast<std::int64_t>(deps_.behind->waiting() + deps_.database->retries().count());
        for (const Shard* shard : shards_) waiting += shard->waiting_deliveries();
        return static_cast<double>(std::max<std::int64_t>(0, waiting));
    });
    metrics.gauge_callback(Metric::kHttpConnections,
                           over_shards([](const Shard& s) { return s.http_connections(); }));
    metrics.gauge_callback(Metric::kSocketConnections,
                           over_shards([](const Shard& s) { return s.line_connections(); }));
    metrics.gauge_callback(Metric::kGrpcCallsOpen,
                           over_shards([](const Shard& s) { return s.grpc_calls(); }));
    metrics.gauge_callback(Metric::kLanesCold,
                           over_shards([](const Shard& s) { return s.cold() ? 1 : 0; }));
    metrics.gauge_callback(Metric::kKeysWaiting, [this] {
        double sum = 0;
        for (const Lane* lane : lanes_) sum += static_cast<double>(lane->keys_waiting());
        return sum;
    });
    metrics.gauge_callback(Metric::kDlqEntries, [this] {
        return static_cast<double>(deps_.database->dead_letters().count());
    });
    metrics.gauge_callback(Metric::kDlqPendingRetries, [this] {
        return static_cast<double>(deps_.database->retries().count_unparked());
    });
    metrics.gauge_callback(Metric::kRowsSetAside,
                           [this] { return static_cast<double>(deps_.set_aside->count()); });
    metrics.gauge_callback(Metric::kUnsyncedBytes, [this] {
        return static_cast<double>(deps_.database->unsynced_bytes());
    });
    metrics.gauge_callback(Metric::kSubscriptions, [this] {
        return static_cast<double>(deps_.registry->snapshot()->subscriptions.size());
    });
    metrics.gauge_callback(Metric::kScripts, [this] {
        return static_cast<double>(deps_.registry->snapshot()->scripts.size());
    });
}

api::Readiness EngineServices::readiness() {
    api::Readiness readiness = ability();
    readiness.set_aside = deps_.set_aside->count();
    readiness.set_aside_rows = deps_.set_aside->rows();
    return readiness;
}

api::Readiness EngineServices::ability() const {
    if (deps_.database->fatal())
        return {false, "the store has failed: " + deps_.database->fatal_reason()};
    if (deps_.server->draining.load(std::memory_order_relaxed)) return {false, "draining"};
    if (!deps_.database->space().accepting()) {
        return {false, "read-only: less than " +
                           std::to_string(deps_.database->space().reserve_bytes()) +
                           " bytes of the disk are free (store.reserve_bytes, or what it takes to "
                           "write what is in memory)"};
    }
    return {};
}

std::vector<api::ExecutorFigures> EngineServices::executors() {
    api::ExecutorFigures script{.type = executor_type_text(ExecutorType::kScript)};
    script.limit = lanes_.size();
    for (const Lane* lane : lanes_) script.running += !lane->idle();
    for (const Shard* shard : shards_)
        script.waiting +=
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, shard->waiting_deliveries()));
    std::uint64_t others = 0;
    for (const Lane* lane : lanes_) {
        for (const ExecutorType type :
             {ExecutorType::kWebhook, ExecutorType::kCommand, ExecutorType::kLink})
            others += lane->waiting_for(type);
    }
    script.waiting -= std::min(script.waiting, others);
    std::vector<api::ExecutorFigures> figures = {script};
    if (deps_.outside_figures) deps_.outside_figures(figures);
    return figures;
}

void EngineServices::append_stats(core::JsonWriter& json) {
    json.field("version", MILLRACE_VERSION);
    json.key("disk")
        .begin_object()
        .field("freeBytes", deps_.database->space().free_bytes())
        .field("reserveBytes", deps_.database->space().reserve_bytes())
        .end_object();
    deps_.memory->append_stats(json);
    json.field("uptimeSeconds", (deps_.clock->wall_us() - started_us_) / 1'000'000);
    json.field("lanes", lanes_.size());
    json.key("shards").begin_array();
    for (const Shard* shard : shards_) {
        json.begin_object();
        json.field("nextOffset", shard->next_offset().value).field("cursor", shard->cursor().value);
        json.field("waitingDeliveries", std::max<std::int64_t>(0, shard->waiting_deliveries()));
        json.field("cold", shard->cold());
        json.field("httpConnections", shard->http_connections())
            .field("socketConnections", shard->line_connections());
        json.end_object();
    }
    json.end_array();
    append_behind(json);
    deps_.retention->append_stats(json);
    const matcher::Matcher::Stats stats = deps_.matcher->stats();
    json.key("matcher").begin_object();
    json.field("subscriptions", stats.subscriptions).field("bytes", stats.bytes);
    json.field("unpivotedClauses", stats.unpivoted_clauses).field("rebuilds", stats.rebuilds);
    json.field("paths", stats.paths).field("entriesPerEvent", stats.entries_per_event);
    json.field("regexFailures", stats.regex_failures);
    json.end_object();
}

// The first of those that are behind, and how many there are.
void EngineServices::append_behind(core::JsonWriter& json) const {
    constexpr std::size_t kShownMax = 100;
    const std::vector<BehindTable::Place> places = deps_.behind->places();
    const RegistrySnapshotRef registry = deps_.registry->snapshot();
    json.field("placesBehind", places.size()).key("behind").begin_array();
    for (std::size_t i = 0; i < std::min(places.size(), kShownMax); ++i) {
        const BehindTable::Place& place = places[i];
        const Subscription* of = registry->subscription(place.subscription);
        json.begin_object().field_or_null("subscriptionId", of ? std::string_view(of->id) : "");
        json.field("shard", place.shard.value).field("position", place.from.value);
        if (place.live_from != kNotLive) json.field("liveFrom", place.live_from.value);
        json.end_object();
    }
    json.end_array();
}

}  // namespace millrace::runtime
