#include "runtime/delivery/run_metrics.h"

namespace millrace::runtime {

using core::Metric;

RunMetrics::Type* RunMetrics::make(std::string_view name) {
    Type& type = storage_.emplace_back();
    type.name = name;
    type.completed = role_.counter(Metric::kEventsProcessed, {name, "completed"});
    type.failed = role_.counter(Metric::kEventsProcessed, {name, "failed"});
    type.unmatched = role_.counter(Metric::kEventsProcessed, {name, "unmatched"});
    return &type;
}

const RunMetrics::ScriptCells& RunMetrics::script(Type& type, ScriptNumber number,
                                                  std::string_view script_id) {
    for (const ScriptCells& cells : type.scripts) {
        if (cells.script == number) return cells;
    }
    ScriptCells& cells = type.scripts.emplace_back();
    cells.script = number;
    cells.completed = role_.counter(Metric::kAttempts, {type.name, script_id, "completed"});
    cells.failed = role_.counter(Metric::kAttempts, {type.name, script_id, "failed"});
    cells.retrying = role_.counter(Metric::kAttempts, {type.name, script_id, "retrying"});
    cells.dead = role_.counter(Metric::kAttempts, {type.name, script_id, "dead"});
    cells.seconds = role_.histogram(Metric::kAttemptSeconds, {type.name, script_id});
    return cells;
}

void RunMetrics::count_attempt(Type& type, const Subscription& subscription,
                               store::DeliveryStatus status, std::uint64_t duration_ns) {
    const ScriptCells& cells =
        script(type, subscription.executor.script, subscription.executor.script_id);
    cells.seconds.observe_ns(duration_ns);
    switch (status) {
        case store::DeliveryStatus::kCompleted: cells.completed.add(); break;
        case store::DeliveryStatus::kFailed: cells.failed.add(); break;
        case store::DeliveryStatus::kRetrying: cells.retrying.add(); break;
        case store::DeliveryStatus::kDead: cells.dead.add(); break;
    }
}

}  // namespace millrace::runtime
