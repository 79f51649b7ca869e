#include "runtime/scheduler/run_look.h"

#include "core/event_parser.h"
#include "matcher/explain.h"
#include "store/log/log_reader.h"
#include "store/rows/executions.h"

#include <set>

namespace millrace::runtime {
namespace {

constexpr std::size_t kDeliveriesMax = 1000;

bool wants(const Subscription& subscription, const store::StoredEvent& event) {
    core::EventParser parser;
    core::Envelope envelope;
    if (!parser.parse_one(event.raw, nullptr, envelope, nullptr)) return false;
    const auto tree = matcher::event_tree(envelope);
    if (!tree) return false;
    const auto explained = matcher::explain(*subscription.spec, *tree);
    return explained && explained->matches;
}

// Somebody who is behind has still to get it. Who is paused or switched off is not at work on it.
bool is_owed(const RunLookDeps& deps, core::LogPosition position,
             const std::set<core::SubscriptionId>& got) {
    if (!deps.behind) return false;
    const std::vector<BehindTable::Place> places = deps.behind->places();
    if (places.empty()) return false;
    const RegistrySnapshotRef registry = deps.registry();
    for (const BehindTable::Place& place : places) {
        if (place.shard != position.shard || place.from > position.offset) continue;
        const Subscription* of = registry->subscription(place.subscription);
        if (!of || got.contains(of->number) || !of->is_effective_at(position)) continue;
        if (!registry->held_because(*of).empty()) continue;
        const auto event = deps.database->log_reader().read_event(position);
        if (!event) return true;
        if (*event && (*event)->event.tenant == of->tenant && wants(*of, (*event)->event))
            return true;
    }
    return false;
}

}  // namespace

RunEnd look_at_run(const RunLookDeps& deps, const Schedule& schedule, const ScheduleRun& run) {
    store::Database& database = *deps.database;
    const std::string id = schedule_event_id(schedule, run);
    const auto found = database.log_reader().find_identity(database.hasher().identity(
        {schedule.tenant, schedule.source_type, schedule.source_id, id}));
    if (!found) return RunEnd::kRunning;
    if (!*found) return RunEnd::kAbsent;
    const core::LogPosition position = **found;
    if (deps.delivered(position.shard) <= position.offset) return RunEnd::kRunning;
    store::ExecutionQuery query;
    query.tenant = schedule.tenant;
    query.event = position;
    query.limit = kDeliveriesMax;
    const auto page = database.executions().list(query);
    if (!page) return RunEnd::kRunning;
    std::set<core::SubscriptionId> got;
    RunEnd end = RunEnd::kDone;
    for (const store::Execution& execution : page->executions) {
        got.insert(execution.delivery.subscription);
        if (execution.status == store::DeliveryStatus::kRetrying) return RunEnd::kRunning;
        if (execution.status != store::DeliveryStatus::kCompleted) end = RunEnd::kFailed;
    }
    return is_owed(deps, position, got) ? RunEnd::kRunning : end;
}

}  // namespace millrace::runtime
