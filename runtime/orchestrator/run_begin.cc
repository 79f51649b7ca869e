#include "runtime/orchestrator/run_begin.h"

#include "core/json_writer.h"
#include "runtime/delivery/script_emit.h"

#include <xxhash.h>

#include <tuple>
#include <utility>

namespace millrace::runtime {

using workflow::Effect;
using workflow::EffectKind;

FreshRun begin_run(RunRequest&& request, WorkflowRef workflow, const RunKeys& keys,
                   std::int64_t now_us, std::vector<std::uint64_t> log_ends) {
    FreshRun run;
    run.workflow = std::move(workflow);
    RunHead& head = run.head;
    head.run = std::move(request.run);
    head.workflow_id = run.workflow->id;
    head.version = run.workflow->version;
    if (run.workflow->code) head.code_made_us = run.workflow->code->created_at_us;
    head.started_us = head.updated_us = now_us;
    head.depth = request.depth;
    head.event_id = std::move(request.event_id);
    head.correlation_id = std::move(request.correlation_id);
    head.subscription_id = std::move(request.subscription_id);
    head.parent = std::move(request.parent);
    head.log_ends = std::move(log_ends);
    std::tie(run.key, head.key) = keys.make(head.run, head.workflow_id);
    workflow::Input input;
    input.kind = workflow::InputKind::kStart;
    input.at_us = now_us;
    input.spread =
        static_cast<std::uint32_t>(XXH3_64bits(head.run.id.data(), head.run.id.size()) % 1001);
    input.source.run_id = head.run.id;
    input.source.event = std::move(request.event);
    input.source.input = std::move(request.input);
    const workflow::Definition& definition = run.workflow->definition;
    (void)workflow::decide(definition, run.state, input, run.effects);
    run.journal.push_back(workflow::write_input(
        definition, input, workflow::outline(definition, run.state, run.effects)));
    head.status = run.state.status;
    head.code = run.state.code;
    if (run.state.is_final()) head.ended_us = now_us;
    run.mark = mark_of(run);
    return run;
}

void put_fresh(store::RowBatch& rows, const FreshRun& run) {
    put_order(rows, run.head);
    put_head(rows, run.head);
    put_entry(rows, run.head, run.key, 0, {}, run.journal.front());
    if (run.state.is_final())
        put_ended(rows, run.head, run.journal.size());
    else
        put_mark(rows, run.head.run, run.mark);
}

RunMark mark_of(const StoredRun& run) {
    RunMark mark;
    mark.workflow_id = run.head.workflow_id;
    const workflow::Definition& definition = run.workflow->definition;
    mark.busy = run.state.is_busy(definition);
    if (mark.busy) return mark;
    mark.due_us = run.state.next_due_us().value_or(0);
    // A start lets it hear of what nobody has told it, or begins the run that it waits for.
    mark.waits = run.state.owes_code() || run.state.waits_for_run(definition);
    for (std::size_t i = 0; i < run.state.steps.size(); ++i) {
        mark.waits |= run.state.steps[i].status == workflow::StepStatus::kWaiting &&
                      !definition.steps[i].event.empty();
    }
    return mark;
}

void append_run_event(const StoredRun& run, const Effect& effect, std::uint32_t serial,
                      std::int64_t wall_us, std::string& out) {
    const RunHead& head = run.head;
    std::string payload;
    payload.reserve(256);
    core::JsonWriter json(payload);
    json.begin_object().field("runId", head.run.id).field("workflowId", head.workflow_id);
    json.field("version", head.version);
    if (effect.step == workflow::kNoStep) {
        json.field("status", workflow::run_status_text(run.state.status));
    } else {
        json.field("stepId", run.workflow->definition.steps[effect.step].id);
        json.field("attempt", effect.attempt).field("iteration", effect.iteration);
    }
    if (!effect.code.empty()) json.field("code", effect.code);
    json.end_object();
    EmittedEvent event;
    EmitCause cause;
    cause.key = cause_key(head.run.tenant, {}, head.run.id);
    cause.event_id = head.event_id.empty() ? std::string_view(head.run.id) : head.event_id;
    cause.correlation_id = head.correlation_id;
    cause.source_id = "millrace.workflows";
    cause.now_us = wall_us;
    const DerivedEventId id = derive_event_id(cause.key, run.state.source.continued, serial);
    event.event_id = id.view();
    event.pattern = effect.pattern;
    event.payload = payload;
    append_emitted_envelope(out, event, cause);
}

void tell_of_run(const StoredRun& run, const Effect& effect, std::uint32_t serial,
                 std::int64_t wall_us, AttemptEffects& out) {
    std::string line;
    line.reserve(1024);
    append_run_event(run, effect, serial, wall_us, line);
    line += '\n';
    EmittedEvent& kept = out.emitted.emplace_back();
    kept.envelope = out.texts.keep(line);
    kept.pattern = effect.pattern;
    kept.causation_depth = run.head.depth + 1;
}

}  // namespace millrace::runtime
