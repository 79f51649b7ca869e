// Part of ServerParts: the lanes, what they make deliveries with, and the feeder.
#include "runtime/event/partition_of.h"
#include "runtime/event/tenant_names.h"
#include "runtime/executors/command_executor.h"
#include "runtime/executors/script_executor.h"
#include "runtime/executors/webhook_executor.h"
#include "runtime/identity/limits.h"
#include "runtime/links/link_executor.h"
#include "runtime/orchestrator/workflow_executor.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace millrace::runtime {
namespace {

// Where a tenant's events are spread by their keys: whether one is another partition's.
std::function<bool(core::TenantId, std::string_view)> elsewhere_of(const PartitionSeat* seat) {
    if (!seat || !seat->by_key) return {};
    return [by = *seat->by_key](core::TenantId tenant, std::string_view key) {
        return partition_beside(by.partition, tenant_name(tenant), key, by.seed, by.partitions)
            .has_value();
    };
}

}  // namespace

// What deliveries are made with, and steps of workflows.
ExecutorSet ServerParts::make_executors(LuaWatchdogSlot* slot, std::uint64_t seed,
                                        AnswerPort& port) {
    ExecutorSet set;
    set[static_cast<std::size_t>(ExecutorType::kScript)] = std::make_unique<ScriptExecutor>(
        ScriptExecutor::Deps{slot, &log, seed,
                             static_cast<std::size_t>(config.events.event_bytes_max), http(),
                             outside ? static_cast<OutsidePort*>(outside.get()) : actions.get(),
                             &canaries, trace_rule()},
        port);
    if (courier::HttpPort* port_out = http()) {
        WebhookExecutor::Deps deps;
        deps.clock = &clock;
        deps.enabled = config.executors.webhook.enabled;
        deps.http = port_out;
        deps.endpoints = &endpoints;
        deps.watchdog_slot = slot;
        deps.seed = seed;
        deps.traces = trace_rule();
        if (seams.seat) deps.epoch = seams.seat->epoch;
        set[static_cast<std::size_t>(ExecutorType::kWebhook)] =
            std::make_unique<WebhookExecutor>(deps, port);
    }
    if (commands) {
        CommandExecutor::Deps deps;
        deps.clock = &clock;
        deps.enabled = config.executors.command.enabled;
        deps.commands = commands.get();
        deps.running_max = static_cast<std::uint32_t>(config.executors.command.limit);
        set[static_cast<std::size_t>(ExecutorType::kCommand)] =
            std::make_unique<CommandExecutor>(deps, port);
    }
    return set;
}

std::unique_ptr<Lane> ServerParts::make_lane(std::size_t number, const BehindTable* table,
                                             std::optional<std::size_t> call_lane) {
    Lane::Deps lane;
    lane.number = static_cast<std::uint32_t>(number);
    lane.shards = shard_count;
    lane.queue_events_max = static_cast<std::size_t>(config.engine.queue_events);
    lane.open_bytes_max =
        bound_queues(memory, memory_holders(), config.engine.queue_bytes).lane_bytes;
    lane.run.clock = &clock;
    lane.run.hasher = &database->hasher();
    lane.run.kv = &database->kv();
    lane.run.pools = &database->pools();
    lane.run.metrics = &metrics;
    lane.run.due = &due_clock;
    lane.run.shards = shard_count;
    lane.run.behind = table;
    lane.run.log = &delivery_log;
    lane.run.cancelled = &cancelled;
    lane.run.drain = [this](const DrainRequest& request) { feeder->parked().drain(request); };
    lane.run.registry = [this] { return registry->snapshot(); };
    lane.run.pause = [this](core::TenantId tenant, const std::string& subscription_id) {
        services->pause_later(tenant, subscription_id);
    };
    lane.run.may_store = [this](core::TenantId tenant, std::size_t bytes) -> core::Status {
        const auto holder = sources.holder_of(tenant);
        return holder ? identity::may_store(*holder, static_cast<std::int64_t>(bytes))
                      : core::Status{};
    };
    if (exporter && !call_lane) lane.run.spans = &exporter->queue();
    lane.run.traces = trace_rule();
    lane.run.schemas = &schemas;
    lane.run.states = states.get();
    lane.run.rules = std::shared_ptr<RuleRunner>(make_rule_runner());
    lane.run.seed = random.next();
    LuaWatchdogSlot* const slot = watchdog.add_slot();
    lane_slots.push_back(slot);
    lane.make_executors = [this, slot, seed = lane.run.seed](AnswerPort& port) {
        ExecutorSet set = make_executors(slot, seed, port);
        WorkflowExecutor::Deps deps;
        deps.clock = &clock;
        deps.enabled = config.executors.workflow.enabled;
        deps.orchestrator = [this] { return orchestrator.get(); };
        set[static_cast<std::size_t>(ExecutorType::kWorkflow)] =
            std::make_unique<WorkflowExecutor>(std::move(deps), port);
        if (links) {
            set[static_cast<std::size_t>(ExecutorType::kLink)] = std::make_unique<LinkExecutor>(
                LinkExecutor::Deps{&clock, links.get(), trace_rule(), slot, seed}, port);
        }
        if (seams.adjust_executors) seams.adjust_executors(set, port);
        return set;
    };
    lane.lease_until_ns = lease();
    lane.registry = [this] { return registry->snapshot(); };
    lane.registry_version = [this] { return services->registry_version(); };
    for (auto& shard : shards) lane.results.push_back(shard.get());
    if (call_lane) {
        lane.calls = call_queue.get();
        lane.call_lane = *call_lane;
    }
    return std::make_unique<Lane>(std::move(lane));
}

core::Status ServerParts::build_lanes() {
    if (auto built = build_telemetry(); !built) return built;
    for (std::size_t i = 0; i < lane_count; ++i) lanes.push_back(make_lane(i, &behind));
    const auto call_lane_count = static_cast<std::size_t>(config.engine.call_lanes);
    call_queue = std::make_unique<CallQueue>(call_lane_count, clock);
    for (std::size_t i = 0; i < call_lane_count; ++i)
        call_lanes.push_back(make_lane(lane_count + i, nullptr, i));
    call_queue->on_wake([this](std::size_t lane) { call_lanes[lane]->wake(); });
    behind.on_change([this] {
        for (const auto& lane : lanes) lane->wake();
        if (feeder) feeder->wake();
    });
    shadow = std::make_unique<ShadowLane>(ShadowLane::Deps{
        database.get(), watchdog.add_slot(), random.next(), &schemas, elsewhere_of(seams.seat)});
    if (auto built = build_feeder(); !built) return built;

    std::vector<Shard*> all_shards;
    std::vector<Lane*> all_lanes;
    std::vector<LanePort*> ports;
    for (auto& shard : shards) all_shards.push_back(shard.get());
    for (auto& lane : lanes) {
        all_lanes.push_back(lane.get());
        ports.push_back(lane.get());
    }
    // The lanes of both kinds, the scheduler, the orchestrator, the links, and what edges and hub
    // bring about; and what other partitions bring and take away.
    const std::size_t senders = lanes.size() + call_lanes.size() + (crossing ? 7 : 5);
    for (auto& shard : shards) shard->connect(all_shards, ports, *feeder, *feeder, senders);
    if (auto built = build_scheduler(); !built) return built;
    if (auto built = build_orchestrator(); !built) return built;
    services->connect(*rest, *feeder, all_shards, all_lanes, *call_queue, *scheduler);
    services->connect_workflows({workflows.get(), run_keys.get(), orchestrator.get()});
    return services->load_runs();
}

core::Status ServerParts::build_feeder() {
    Feeder::Deps deps;
    deps.shadow = shadow.get();
    deps.clock = &clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.registry = [this] { return registry->snapshot(); };
    deps.lanes = lane_count;
    deps.submit_aside = [this](std::uint32_t lane, std::unique_ptr<LaneJob>& job) {
        return lanes[lane]->submit_aside(job);
    };
    deps.restore_head = [this](std::uint32_t lane, const KeyedDelivery& delivery) {
        lanes[lane]->key_order().restore_head(delivery);
    };
    deps.restore_parked = [this](std::uint32_t lane, core::SubscriptionId subscription,
                                 std::uint32_t key_hash) {
        return lanes[lane]->key_order().restore_parked(subscription, key_hash);
    };
    deps.give_cold = [this](core::ShardId shard, std::unique_ptr<ColdBlock>& block) {
        return shards[shard.value]->take_cold(block);
    };
    deps.delivered = [this](core::ShardId shard) { return shards[shard.value]->cursor(); };
    deps.appended = [this](core::ShardId shard) { return shards[shard.value]->next_offset(); };
    deps.looked = [this](IngestRequest& request) { shards[request.edge.value]->looked(request); };
    deps.matcher_reader = matcher->register_reader();
    deps.due = &due_clock;
    deps.behind = &behind;
    deps.behind_shards = &behind_orders;
    feeder = std::make_unique<Feeder>(std::move(deps));
    if (auto loaded = feeder->load_done(); !loaded) return loaded;
    if (auto settled = settle_unread(); !settled) return settled;
    if (auto loaded = load_cancelled(); !loaded) return loaded;
    if (auto loaded = load_canaries(); !loaded) return loaded;
    return feeder->replays().load(find_version(), set_aside);
}

}  // namespace millrace::runtime
