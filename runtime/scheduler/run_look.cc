#include "runtime/scheduler/run_look.h"

#include "store/log/log_reader.h"
#include "store/rows/executions.h"

#include <algorithm>
#include <set>

namespace millrace::runtime {
namespace {

constexpr std::size_t kDeliveriesMax = 1000;

// Somebody wants it and has not been tried. Who is paused or switched off is not at work on it.
bool is_owed(const RunLookDeps& deps, const store::StoredEvent& event,
             const std::set<core::SubscriptionId>& got) {
    const RegistrySnapshotRef registry = deps.registry();
    std::vector<core::SubscriptionId> wanted;
    deps.wanted_by(event, *registry, wanted);
    return std::any_of(wanted.begin(), wanted.end(), [&](core::SubscriptionId id) {
        if (got.contains(id)) return false;
        const Subscription* of = registry->subscription(id);
        return of && registry->held_because(*of).empty();
    });
}

}  // namespace

core::Result<std::optional<core::LogPosition>> find_run(store::Database& database,
                                                        const Schedule& schedule,
                                                        const ScheduleRun& run) {
    const std::string id = schedule_event_id(schedule, run);
    return database.log_reader().find_identity(database.hasher().identity(
        {schedule.tenant, schedule.source_type, schedule.source_id, id}));
}

RunEnd look_at_run(const RunLookDeps& deps, const Schedule& schedule, const ScheduleRun& run) {
    store::Database& database = *deps.database;
    const auto found = find_run(database, schedule, run);
    if (!found) return RunEnd::kRunning;
    if (!*found) return RunEnd::kAbsent;
    store::ExecutionQuery query;
    query.tenant = schedule.tenant;
    query.event = **found;
    query.limit = kDeliveriesMax;
    const auto page = database.executions().list(query);
    if (!page) return RunEnd::kRunning;
    std::set<core::SubscriptionId> got;
    RunEnd end = RunEnd::kDone;
    for (const store::Execution& execution : page->executions) {
        if (!execution.replay_id.empty()) continue;  // somebody's replay is no run of the schedule
        got.insert(execution.delivery.subscription);
        if (execution.status == store::DeliveryStatus::kRetrying) return RunEnd::kRunning;
        if (execution.status != store::DeliveryStatus::kCompleted) end = RunEnd::kFailed;
    }
    const auto event = database.log_reader().read_event(**found);
    if (!event) return RunEnd::kRunning;
    if (!*event) return RunEnd::kAbsent;
    return is_owed(deps, (*event)->event, got) ? RunEnd::kRunning : end;
}

}  // namespace millrace::runtime
