// Part of ServerParts: what begins by itself: schedules and runs of workflows.
#include "runtime/feed/block_matcher.h"
#include "runtime/identity/limits.h"
#include "runtime/server/lease.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/retention/space_guard.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace millrace::runtime {

core::Status ServerParts::build_scheduler() {
    Scheduler::Deps deps;
    deps.clock = &clock;
    deps.log = &log;
    deps.database = database.get();
    deps.registry = [this] { return registry->snapshot(); };
    deps.shards = shard_count;
    deps.submit = [this](core::ShardId shard, std::unique_ptr<LaneResult>& result) {
        return shards[shard.value]->take_result(
            static_cast<std::uint32_t>(lane_count + call_lanes.size()), result);
    };
    // A reader of its own; it holds nothing between two looks.
    auto run_matcher = std::make_shared<BlockMatcher>(matcher->register_reader());
    run_matcher->offline();
    deps.wanted_by = [run_matcher](const store::StoredEvent& event,
                                   const RegistrySnapshot& snapshot,
                                   std::vector<core::SubscriptionId>& out) {
        run_matcher->match_one(event, snapshot, out);
        run_matcher->offline();
    };
    deps.cancelled = &cancelled;
    deps.holds = [this] { return !database->space().accepting() || lease_is_over(clock, lease()); };
    deps.pause = [this](const ScheduleRef& schedule, const std::string& reason) {
        conductor.post_answer([this, schedule, reason] { pause_schedule(schedule, reason); });
    };
    scheduler = std::make_unique<Scheduler>(std::move(deps));
    return scheduler->load(set_aside);
}

core::Status ServerParts::build_orchestrator() {
    RegistryRows& rows = sealed_rows ? static_cast<RegistryRows&>(*sealed_rows) : *registry_rows;
    workflows = std::make_unique<WorkflowTable>();
    registry->snapshot()->workflows.for_each([this](const WorkflowRef& workflow) {
        workflows->show(workflow->tenant, workflow->id,
                        registry->table<Workflow>().versions(workflow->tenant, workflow->id));
    });
    run_keys = std::make_unique<RunKeys>(sealed_rows ? &rows : nullptr);
    if (auto loaded = run_keys->load(); !loaded) return loaded;
    // Whoever has none that opens gets one before a run of it begins.
    core::Status keyed;
    const auto key_of = [&](core::TenantId tenant) {
        if (keyed) keyed = run_keys->ensure(tenant, clock.wall_us());
    };
    registry->snapshot()->workflows.for_each([&](const WorkflowRef& one) { key_of(one->tenant); });
    registry->snapshot()->subscriptions.for_each([&](const SubscriptionRef& one) {
        if (one->executor.type == ExecutorType::kWorkflow) key_of(one->tenant);
    });
    if (!keyed) return keyed;
    Orchestrator::Deps deps;
    deps.clock = &clock;
    deps.due = &due_clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.retention_us = config.executors.workflow.retention_us;
    deps.keys_unused_below = [this](core::TenantId tenant, std::uint32_t version) {
        conductor.post_answer([this, tenant, version] {
            if (auto dropped = run_keys->drop_below(tenant, version, clock.wall_us()); !dropped)
                log.warn("an older key of workflow runs can not be removed",
                         {{"error", dropped.error().message}});
        });
    };
    deps.workflows = workflows.get();
    deps.keys = run_keys.get();
    deps.registry = [this] { return registry->snapshot(); };
    deps.shards = shard_count;
    deps.runs_active_max = static_cast<std::size_t>(config.executors.workflow.limit);
    deps.seed = random.next();
    deps.submit = [this](core::ShardId shard, std::unique_ptr<LaneResult>& result) {
        return shards[shard.value]->take_result(
            static_cast<std::uint32_t>(lanes.size() + call_lanes.size() + 1), result);
    };
    deps.make_executors = [this, slot = watchdog.add_slot(), seed = random.next()](
                              AnswerPort& port) { return make_executors(slot, seed, port); };
    deps.actions = actions.get();
    deps.schemas = &schemas;
    deps.may_store = [this](core::TenantId tenant, std::size_t bytes) -> core::Status {
        const auto holder = sources.holder_of(tenant);
        return holder ? identity::may_store(*holder, static_cast<std::int64_t>(bytes))
                      : core::Status{};
    };
    deps.holds = [this] { return !database->space().accepting() || lease_is_over(clock, lease()); };
    orchestrator = std::make_unique<Orchestrator>(std::move(deps));
    orchestrator->load(set_aside);
    return {};
}

// On the conductor.
void ServerParts::pause_schedule(const ScheduleRef& schedule, const std::string& reason) {
    registry->act_as("scheduler");
    auto made = registry->table<Schedule>().amend({.tenant = schedule->tenant}, schedule->id,
                                                  "pause", [&](Schedule& next) {
                                                      next.paused = true;
                                                      next.pause_reason = reason;
                                                      return core::Status{};
                                                  });
    if (made) (void)services->registry_changed(*made);
    log.warn("a schedule was paused", {{"schedule", schedule->id}, {"reason", reason}});
}

}  // namespace millrace::runtime
