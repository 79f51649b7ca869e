#include "runtime/orchestrator/workflow_executor.h"

#include "core/json_writer.h"
#include "runtime/event/event_defaults.h"
#include "store/rows/row_batch.h"

#include <memory>
#include <utility>

namespace millrace::runtime {
namespace {

void tell_begun(AttemptResult& result, const RunBegun& begun) {
    result.outcome = AttemptOutcome::kOk;
    result.outcome_text = "completed";
    core::JsonWriter json(result.result_json);
    json.begin_object().field("runId", begun.run_id);
    if (begun.duplicate) json.field("duplicate", true);
    json.end_object();
}

}  // namespace

RunRequest WorkflowExecutor::request_of(const AttemptInput& input) {
    const OutgoingEvent event = outgoing_.event_of(input);
    RunRequest request;
    request.run = {input.event->tenant, "run_" + OutgoingEvents::delivery_id_of(input)};
    request.workflow_id = input.subscription->executor.script_id;
    request.event = full_envelope(event);
    request.event_at = input.event->position;
    request.event_received_us = input.event->received_at_us;
    request.event_id = event.event_id;
    request.correlation_id =
        event.envelope.correlation_id.empty() ? event.event_id : event.envelope.correlation_id;
    request.subscription_id = input.subscription->id;
    request.depth = causation_depth_of(input.event->fills);
    return request;
}

Executor::Start WorkflowExecutor::start(const AttemptInput& input, AttemptResult& result) {
    Orchestrator* const orchestrator = deps_.orchestrator();
    if (!deps_.enabled || !orchestrator) {
        result.fail("workflows are switched off (executors.workflow.enabled)");
        return Start::kHeld;
    }
    if (orchestrator->figures().waiting >= Orchestrator::kQueuedRunsMax) {
        result.fail("too many runs wait for a place");
        result.retry_after_ms = 1'000;
        return Start::kHeld;
    }
    RunRequest request = request_of(input);
    WorkflowRef workflow =
        orchestrator->workflows().find(request.run.tenant, request.workflow_id, request.version);
    if (workflow) return begin_here(*orchestrator, std::move(request), std::move(workflow), result);
    return begin_there(*orchestrator, std::move(request), input.ticket, result);
}

// With the outcome, in the lane's commit.
Executor::Start WorkflowExecutor::begin_here(Orchestrator& orchestrator, RunRequest&& request,
                                             WorkflowRef workflow, AttemptResult& result) {
    const RunName name = request.run;
    if (orchestrator.keys().is_missing(name.tenant)) {
        result.fail("there is no key that the run could be sealed with");
        result.retry_after_ms = 1'000;
        return Start::kHeld;
    }
    switch (orchestrator.claim(name)) {
        case Orchestrator::Claim::kThere: tell_begun(result, {name.id, true}); return Start::kDone;
        case Orchestrator::Claim::kBusy:
            result.fail("the run is being begun");
            result.retry_after_ms = 100;
            return Start::kHeld;
        case Orchestrator::Claim::kYours: break;
    }
    auto run =
        std::make_shared<FreshRun>(orchestrator.make(std::move(request), std::move(workflow)));
    AttemptEffects& effects = result.effects;
    effects.write_rows = [run](store::RowBatch& rows) { put_fresh(rows, *run); };
    std::uint32_t serial = first_serial(0);
    const std::int64_t wall_us = deps_.clock->wall_us();
    for (const workflow::Effect& effect : run->effects) {
        if (effect.kind == workflow::EffectKind::kTell)
            tell_of_run(*run, effect, ++serial, wall_us, effects);
    }
    effects.when_durable = [&orchestrator, run] { orchestrator.begun(run); };
    tell_begun(result, {name.id, false});
    return Start::kDone;
}

// What no definition says how to begin: the orchestrator knows, and answers when it is durable.
Executor::Start WorkflowExecutor::begin_there(Orchestrator& orchestrator, RunRequest&& request,
                                              AttemptTicket ticket, AttemptResult& result) {
    const bool taken =
        orchestrator.begin(std::move(request), [this, ticket](core::Result<RunBegun>&& begun) {
            AttemptResult told;
            if (begun)
                tell_begun(told, *begun);
            else
                told.fail(begun.error().message);
            // Without room there its time runs out, and it comes again: the run is there.
            (void)port_.answer(ticket, told);
        });
    if (taken) return Start::kPending;
    result.fail("too many runs wait to be begun");
    result.retry_after_ms = 1'000;
    return Start::kHeld;
}

}  // namespace millrace::runtime
