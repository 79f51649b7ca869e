#include "runtime/orchestrator/workflow_executor.h"

#include "core/json_writer.h"
#include "runtime/event/event_defaults.h"
#include "runtime/executors/event_body.h"

#include <memory>
#include <utility>

namespace millrace::runtime {

Executor::Start WorkflowExecutor::start(const AttemptInput& input, AttemptResult& result) {
    Orchestrator* const orchestrator = deps_.orchestrator();
    if (!deps_.enabled || !orchestrator) {
        result.fail("workflows are switched off (executors.workflow.enabled)");
        return Start::kHeld;
    }
    OutgoingEvent event;
    parser_.extract(input.event->raw, no_fields_, &event.envelope, fields_);
    event.event_id = input.event_id.empty() ? event.envelope.event_id : input.event_id;
    event.received_at_us = input.event->received_at_us;
    char id[64];
    const std::size_t bytes = input.delivery_id.write(input.delivery_id.self, id, sizeof id);
    RunRequest request;
    request.run = {input.event->tenant, "run_" + std::string(id, bytes)};
    request.workflow_id = input.subscription->executor.script_id;
    request.event = full_envelope(event);
    request.event_id = event.event_id;
    request.correlation_id =
        event.envelope.correlation_id.empty() ? event.event_id : event.envelope.correlation_id;
    request.subscription_id = input.subscription->id;
    request.depth = causation_depth_of(input.event->fills);
    const bool taken = orchestrator->begin(
        std::move(request), [this, ticket = input.ticket](core::Result<RunBegun>&& begun) {
            AttemptResult told;
            if (begun) {
                told.outcome = AttemptOutcome::kOk;
                told.outcome_text = "completed";
                core::JsonWriter json(told.result_json);
                json.begin_object().field("runId", begun->run_id);
                if (begun->duplicate) json.field("duplicate", true);
                json.end_object();
            } else {
                told.fail(begun.error().message);
            }
            // Without room there its time runs out, and it comes again: the run is there.
            (void)port_.answer(ticket, told);
        });
    if (taken) return Start::kPending;
    result.fail("too many runs wait to be begun");
    result.retry_after_ms = 1'000;
    return Start::kHeld;
}

}  // namespace millrace::runtime
