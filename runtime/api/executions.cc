// GET /v2/executions/{id}, and how an execution is shown.
#include "store/rows/executions.h"

#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/handlers.h"
#include "runtime/orchestrator/orchestrator.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <span>

namespace millrace::runtime::api {

using store::DeliveryStatus;

std::string_view delivery_status_text(DeliveryStatus status) {
    switch (status) {
        case DeliveryStatus::kCompleted: return "completed";
        case DeliveryStatus::kFailed: return "failed";
        case DeliveryStatus::kRetrying: return "retrying";
        case DeliveryStatus::kDead: return "dead";
    }
    return "failed";
}

std::string event_id_at(Services& services, core::LogPosition position) {
    const auto event = services.database().log_reader().read_event(position);
    if (!event || !*event) return {};
    return event_id_of((*event)->event, services.database().hasher());
}

namespace {

constexpr std::size_t kAttemptsShown = 500;

void append_run(core::JsonWriter& json, const store::ExecutionRun& run) {
    if (run.script_version != 0) {
        json.field("scriptVersion", run.script_version);
    } else {
        json.raw_field("scriptVersion", "null");  // nothing of it has run yet
    }
    json.field("status", run.waits() ? "waiting" : delivery_status_text(run.status));
    json.key("attempts").begin_array();
    // Of what is tried again for ever the newest are shown.
    const std::size_t cut = run.attempts.size() - std::min(run.attempts.size(), kAttemptsShown);
    for (const store::ExecutionAttempt& attempt : std::span(run.attempts).subspan(cut)) {
        if (attempt.attempt == 0 && attempt.status == store::DeliveryStatus::kRetrying)
            continue;  // put off before it began
        json.begin_object();
        time_field(json, "at", attempt.started_at_us).field("durationUs", attempt.duration_us);
        json.field_or_null("error", attempt.error).end_object();
    }
    json.end_array();
    if (cut != 0) json.field("attemptsCut", cut);
    json.raw_field("logs", run.logs.empty() ? "[]" : std::string_view(run.logs));
    json.raw_field("result", run.result.empty() ? "null" : std::string_view(run.result));
    if (!run.replay_id.empty()) json.field("replayId", run.replay_id);
}

void append_workflow_run(core::JsonWriter& json, Services& services,
                         const store::Execution& execution) {
    const Orchestrator* const runs = services.workflows().orchestrator;
    core::JsonDom dom;
    core::JsonElement root, id;
    std::string_view run_id;
    if (!runs || !dom.read(execution.result, root) || !root.find("runId", id) || !id.get(run_id))
        return;
    const RunName name{execution.tenant, std::string(run_id)};
    if (const auto run = runs->store().load(name))
        json.raw_field("workflowRun", progress_view(*run));
    else if (const auto head = runs->store().head(name))
        json.raw_field("workflowRun", head_view(*head));
}

}  // namespace

void append_execution(core::JsonWriter& json, Services& services, const store::Execution& execution,
                      std::string_view event_id) {
    const RegistrySnapshotRef registry = services.registry().snapshot();
    const Subscription* subscription = registry->subscription(execution.delivery.subscription);
    json.begin_object();
    json.field("id", store::encode_execution_id(services.database().hasher(), execution.delivery));
    json.field_or_null("eventId", event_id);
    json.field_or_null("subscriptionId",
                       subscription ? std::string_view(subscription->id) : std::string_view{});
    json.field_or_null("scriptId", subscription ? std::string_view(subscription->executor.script_id)
                                                : std::string_view{});
    append_run(json, execution);
    if (subscription && subscription->executor.type == ExecutorType::kWorkflow)
        append_workflow_run(json, services, execution);
    if (!execution.replays.empty()) {
        json.key("replays").begin_array();
        for (const store::ExecutionRun& run : execution.replays) {
            json.begin_object();
            append_run(json, run);
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
}

Answer get_execution(Call& call) {
    const std::string_view id = call.request.param("id");
    auto run = call.services.run_history().document(call.tenant(), id);
    if (!run) return core::fail(std::move(run.error()));
    if (!run->empty()) return json_response(200, std::move(*run));
    const auto key = store::decode_execution_id(call.services.database().hasher(), id);
    if (!key) return not_found("execution", id);
    auto execution = call.services.database().executions().get(*key);
    if (!execution) return core::fail(std::move(execution.error()));
    if (!*execution || (*execution)->tenant != call.tenant() ||
        !may_see(call.request.principal, call.services.database(), key->position))
        return not_found("execution", id);
    std::string body;
    core::JsonWriter json(body);
    append_execution(json, call.services, **execution, event_id_at(call.services, key->position));
    return json_response(200, std::move(body));
}

}  // namespace millrace::runtime::api
