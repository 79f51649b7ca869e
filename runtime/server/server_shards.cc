// Part of ServerParts: the shards, and what asks rules of schemas for them and for lanes.
#include "runtime/executors/rule_scripts.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/part_options.h"
#include "runtime/server/process_figures.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

core::Status ServerParts::build_shards() {
    if (auto shared = share_descriptors(); !shared) return shared;
    io::ReactorOptions reactor_with = reactor_options(config.io);
    bound_reactor(memory, memory_holders(), reactor_with);
    for (std::size_t i = 0; i < shard_count; ++i) {
        auto reactor = seams.make_reactor ? seams.make_reactor(clock)
                                          : io::Reactor::create(reactor_with, clock);
        if (!reactor) return core::fail(std::move(reactor.error()));
        if (i == 0) export_process_figures(metrics, MILLRACE_VERSION, (*reactor)->backend_name());
        if (i == 0 && !(*reactor)->fallback_reason().empty()) {
            log.warn("io_uring is refused; using epoll",
                     {{"reason", (*reactor)->fallback_reason()}});
        }
        Shard::Deps shard;
        shard.number = core::ShardId(static_cast<std::uint16_t>(i));
        shard.shards = shard_count;
        shard.clock = &clock;
        shard.log = &log;
        shard.metrics = &metrics;
        shard.database = database.get();
        shard.writer = writer.get();
        shard.api = rest.get();
        shard.authenticator = authenticator.get();
        shard.query_keys = query_keys_of(config.auth);
        shard.security = &security;
        shard.console = console;
        shard.sources = &sources;
        shard.edge_book = &edge_book;
        shard.schemas = &schemas;
        shard.states = states.get();
        shard.rules = make_rule_runner();
        shard.uplink = services.get();
        shard.server = &state;
        shard.reactor = std::move(*reactor);
        shard.http = http_limits(config.http);
        shard.lines = line_limits(config.socket, config.events);
        bound_http(memory, memory_holders(), shard.http);
        bound_lines(memory, memory_holders(), shard.lines);
        if (descriptors) {
            shard.http.connections_max = descriptors->connections_max;
            shard.lines.connections_max =
                std::min(shard.lines.connections_max, descriptors->connections_max);
        }
        shard.event_bytes_max = static_cast<std::size_t>(config.events.event_bytes_max);
        shard.batch_events_max = static_cast<std::size_t>(config.events.batch_events_max);
        const QueueBounds queues =
            bound_queues(memory, memory_holders(), config.engine.queue_bytes);
        shard.queue_bytes_max = queues.queue_bytes;
        shard.in_flight_bytes_max = queues.in_flight_bytes;
        shard.request_bytes_kept_max = queues.request_bytes_kept;
        shard.durability = durability_of(config.store);
        shard.linger_us_max = config.store.linger_us;
        shard.matcher_reader = matcher->register_reader();
        shard.verifier = verifier.get();
        shard.behind = &behind;
        if (crossing) shard.crossing = crossing->split.get();
        shard.registry_revision = [this] { return registry->version(); };
        shards.push_back(std::make_unique<Shard>(std::move(shard)));
    }
    return {};
}

// For one thread: what asks scripts whether an event may come in.
std::unique_ptr<RuleRunner> ServerParts::make_rule_runner() {
    RuleScripts::Deps deps;
    deps.add_slot = [this] { return watchdog.add_slot(); };
    deps.clock = &clock;
    deps.kv = &database->kv();
    deps.registry = [this] { return registry->snapshot(); };
    deps.registry_version = [this] { return registry->version(); };
    deps.seed = random.next();
    return std::make_unique<RuleScripts>(deps);
}

}  // namespace millrace::runtime
