// Part of ServerParts: what brings in events of others, edges whose hub this server is, and the hub
// whose edge it is.
#include "runtime/identity/limits.h"
#include "runtime/server/lease.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"

#include <memory>
#include <utility>

namespace millrace::runtime {

core::Status ServerParts::build_edges() {
    // Behind the lanes, the scheduler, the orchestrator and the links.
    hub::BatchDesk::Deps deps{intake_deps(3), &edge_book, [this](std::function<void()> task) {
                                  conductor.post_answer(std::move(task));
                              }};
    edges = std::make_unique<hub::BatchDesk>(std::move(deps));
    return edges->load(set_aside);
}

// `place`: among the senders behind the lanes.
IntakeDeps ServerParts::intake_deps(std::size_t place) {
    IntakeDeps deps;
    deps.clock = &clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.registry = [this] { return registry->snapshot(); };
    deps.shards = shard_count;
    deps.event_bytes_max = static_cast<std::size_t>(config.events.event_bytes_max);
    deps.submit = [this, place](core::ShardId shard, std::unique_ptr<LaneResult>& result) {
        return shards[shard.value]->take_result(
            static_cast<std::uint32_t>(lanes.size() + call_lanes.size() + place), result);
    };
    deps.may_take = [this](core::TenantId tenant, std::size_t events,
                           std::size_t bytes) -> core::Status {
        const auto holder = sources.holder_of(tenant);
        if (!holder) return {};
        return identity::take_quota(*holder, static_cast<std::int64_t>(events),
                                    static_cast<std::int64_t>(bytes), clock.monotonic_ns());
    };
    deps.holds = [this] {
        // relaxed: a hint; no data behind it
        return !database->space().accepting() || lease_is_over(clock, seams.seat) ||
               state.short_of_memory.load(std::memory_order_relaxed);
    };
    return deps;
}

// Only where a hub is named: else there is no thread, no row and no look at the log.
core::Status ServerParts::build_forwarder() {
    if (config.hub.url.empty() || seams.make_reactor) return {};
    hub::Forwarder::Deps deps;
    deps.clock = &clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.shards = shard_count;
    deps.seed = random.next();
    deps.submit = [this](core::ShardId shard, std::unique_ptr<LaneResult>& result) {
        return shards[shard.value]->take_result(
            static_cast<std::uint32_t>(lanes.size() + call_lanes.size() + 4), result);
    };
    hub::ForwardOptions options;
    options.url = config.hub.url;
    options.node = config.hub.node;
    options.token = config.hub.token;
    options.bytes_per_second_max = config.hub.rate;
    options.first = config.hub.first;
    options.on_full = config.hub.on_full == "drop" ? hub::OnFull::kDrop : hub::OnFull::kRefuse;
    auto made = hub::Forwarder::make(std::move(deps), std::move(options));
    if (!made) return core::fail(std::move(made.error()));
    forwarder = std::move(*made);
    return forwarder->load(set_aside);
}

}  // namespace millrace::runtime
