// The part of Orchestrator that begins what steps want done: by which executor, with what.
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/tenant_names.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/orchestrator/orchestrator_host.h"
#include "runtime/orchestrator/step_key.h"
#include "runtime/workflow/asked.h"
#include "store/log/log_reader.h"

#include <algorithm>

namespace millrace::runtime {

using workflow::Effect;
using workflow::EffectKind;
using workflow::Input;
using workflow::StepOutcome;

std::string Orchestrator::key_of(const Run& run, const Effect& effect) {
    const workflow::Step& step = run.workflow->definition.steps[effect.step];
    return step_key(run.head.run.id, step.id, effect.iteration, effect.kind == EffectKind::kUndo);
}

void Orchestrator::perform(Run& run, const std::vector<Effect>& effects) {
    const bool stands = is_suspended(run.head.run.tenant);
    ++run.flying;  // it stays while this goes on
    for (const Effect& effect : effects) {
        // The run has begun anew since, or the step has.
        if (effect.step >= run.state.steps.size() ||
            run.state.steps[effect.step].iteration != effect.iteration)
            continue;
        const bool begins = effect.kind == EffectKind::kStart || effect.kind == EffectKind::kUndo ||
                            effect.kind == EffectKind::kChild;
        if (begins && stands)
            run.stands = true;  // as if the process had ended: it begins when it is taken up again
        else if (effect.kind == EffectKind::kChild)
            start_child(run, effect);
        else if (begins)
            start(run, effect);
        else if (effect.kind == EffectKind::kWait)
            listen(run, effect);
    }
    --run.flying;
}

void Orchestrator::listen(Run& run, const Effect& effect) {
    if (run.state.steps[effect.step].status != workflow::StepStatus::kWaiting) return;
    std::vector<std::string> taken;
    for (const workflow::StepState& one : run.state.steps) {
        if (!one.place.empty()) taken.push_back(one.place);
    }
    const workflow::Step& step = run.workflow->definition.steps[effect.step];
    std::vector<std::uint64_t> from = run.head.log_ends;
    for (std::size_t i = 0; step.since == workflow::Since::kNow && i < from.size(); ++i) {
        const auto begins = deps_.database->log_reader().offset_at_time(
            core::ShardId(static_cast<std::uint16_t>(i)), run.state.steps[effect.step].started_us);
        if (begins) from[i] = std::max(from[i], begins->value);
    }
    auto added = waits_.add(run.head.run, effect.step, effect.iteration, step.event, effect.input,
                            from, taken);
    if (!added) fail(run, effect, "TEMPLATE", "match: " + added.error().message);
}

void Orchestrator::fail(Run& run, const Effect& effect, std::string_view code,
                        const std::string& why) {
    Input input;
    const bool undo = effect.kind == EffectKind::kUndo;
    input.kind = undo ? workflow::InputKind::kUndoEnded : workflow::InputKind::kStepEnded;
    input.step = effect.step;
    input.iteration = effect.iteration;
    input.attempt = effect.attempt;
    input.outcome = StepOutcome::kFatal;
    input.code = code;
    input.error = why;
    apply(run, std::move(input));
}

void Orchestrator::start(Run& run, const Effect& effect, Known known) {
    const workflow::Step& step = run.workflow->definition.steps[effect.step];
    const bool undo = effect.kind == EffectKind::kUndo;
    if (!undo) {
        const workflow::StepState& state = run.state.steps[effect.step];
        if (state.status != workflow::StepStatus::kRunning || state.attempt != effect.attempt ||
            state.iteration != effect.iteration)
            return;  // it was cancelled while its start was made durable
        if (step.at_most_once && state.began && known != Known::kNotBegun) {
            return fail(run, effect, "INTERRUPTED",
                        "it had begun when the server ended, and may run once at most");
        }
    }
    Attempt attempt;
    attempt.run = run.head.run;
    attempt.step = effect.step;
    attempt.iteration = effect.iteration;
    attempt.number = effect.attempt;
    attempt.undo = undo;
    attempt.early = ahead_;
    attempt.key = key_of(run, effect);
    attempt.registry = deps_.registry();
    const std::string action = undo ? step.compensate : step.action;
    if (!undo && step.at_most_once && known != Known::kNotBegun) {
        Input began;
        began.kind = workflow::InputKind::kStepBegan;
        began.step = effect.step;
        began.iteration = effect.iteration;
        const auto kept = std::make_shared<Attempt>(std::move(attempt));
        ++run.flying;
        apply(run, std::move(began), [this, kept, action, input = effect.input] {
            post([this, kept, action, input] {
                const RunName name = kept->run;
                Run* const there = find(name);
                if (!there) return;
                --there->flying;
                const workflow::StepState& state = there->state.steps[kept->step];
                if (state.status == workflow::StepStatus::kRunning &&
                    state.iteration == kept->iteration)
                    start_action(*there, std::move(*kept), action, input);
                if (there->state.is_final()) tell_end(*there);
                let_go(name);
            });
        });
        return;
    }
    start_action(run, std::move(attempt), action, effect.input);
}

// The workflow's own actions come first, then those of the tenant, then its scripts. Null: it is no
// script.
ScriptRef Orchestrator::script_of(Run& run, const std::string& action,
                                  const RegistrySnapshot& registry) {
    if (run.workflow->code && action == workflow::kInCode) return run.workflow->code;
    const core::TenantId tenant = run.head.run.tenant;
    const auto own = run.workflow->actions.find(action);
    if (own != run.workflow->actions.end()) {
        const ExecutorSpec& executor = own->second->executor;
        return executor.type == ExecutorType::kScript
                   ? scripts_.find(registry, tenant, executor.script_id)
                   : nullptr;
    }
    if (deps_.actions && actions_.find(registry, tenant, action)) return nullptr;
    return scripts_.find(registry, tenant, action);
}

void Orchestrator::start_action(Run& run, Attempt&& attempt, const std::string& action,
                                const std::string& input) {
    const ScriptRef script = script_of(run, action, *attempt.registry);
    if (script && script == run.workflow->code) return start_code(run, std::move(attempt), input);
    if (script) return start_script(run, std::move(attempt), *script, input);
    if (attempt.early) return begin_when_durable(attempt);  // it was one a moment ago
    const auto own = run.workflow->actions.find(action);
    if (own == run.workflow->actions.end() && deps_.actions) {
        const auto named = actions_.find(*attempt.registry, run.head.run.tenant, action);
        if (named) return ask_outside(run, std::move(attempt), *named, input);
    } else if (own != run.workflow->actions.end() &&
               own->second->executor.type != ExecutorType::kScript) {
        attempt.subscription = own->second;
        return start_outside(run, std::move(attempt), input);
    }
    fail(run, effect_of(attempt), "UNRESOLVED",
         "action \"" + action + "\" is none of the workflow's, and no script has that name");
}

void Orchestrator::start_script(Run& run, Attempt&& attempt, const Script& script,
                                const std::string& input_json) {
    if (!script.enabled) return try_again(attempt, kHeldNs, Known::kNotBegun);
    attempt.call = std::make_unique<ScriptRunJob>();
    attempt.call->caller.tenant = run.head.run.tenant;
    attempt.call->script_number = script.number.value;
    attempt.call->input_json = input_json;
    attempt.call->execution_id = attempt.key;
    attempt.script_version = script.version;
    launch_script(run, std::move(attempt));
}

// What it emits has the run's cause.
void Orchestrator::launch_script(const Run& run, Attempt&& attempt) {
    running_event_ = run.head.event_id.empty() ? run.head.run.id : run.head.event_id;
    running_correlation_ = run.head.correlation_id;
    AttemptInput input;
    input.call = attempt.call.get();
    launch(std::move(attempt), input,
           executors_[static_cast<std::size_t>(ExecutorType::kScript)].get());
}

// Executors of deliveries know events: the step's input is the payload of one that is in no log.
void Orchestrator::start_outside(Run& run, Attempt&& attempt, const std::string& input_json) {
    const workflow::Step& step = run.workflow->definition.steps[attempt.step];
    core::JsonWriter json(attempt.text);
    const std::int64_t now_us = deps_.clock->wall_us();
    json.begin_object().field("eventId", attempt.key);
    json.field("pattern", "workflow.action." + attempt.subscription->name).field("version", "1.0");
    json.key("source").begin_object().field("type", "workflow");
    json.field("id", run.head.workflow_id).end_object();
    json.field("timestamp", core::format_timestamp(now_us));
    if (input_json.starts_with('{')) {
        json.raw_field("payload", input_json);
    } else {
        json.key("payload").begin_object().raw_field("value", input_json).end_object();
    }
    json.key("metadata").begin_object();
    json.field("correlationId",
               run.head.correlation_id.empty() ? run.head.run.id : run.head.correlation_id);
    json.field("causationId", run.head.event_id.empty() ? run.head.run.id : run.head.event_id);
    json.end_object();
    json.field("x-workflow-run", run.head.run.id).field("x-workflow-step", step.id).end_object();
    const std::size_t bytes = attempt.text.size();
    attempt.text.append(core::kPaddingBytes, ' ');
    attempt.event.raw = std::string_view(attempt.text).substr(0, bytes);
    attempt.event.tenant = run.head.run.tenant;
    attempt.event.received_at_us = now_us;
    AttemptInput input;
    input.subscription = attempt.subscription.get();
    input.attempt = attempt.number;
    Executor* const executor =
        executors_[static_cast<std::size_t>(attempt.subscription->executor.type)].get();
    launch(std::move(attempt), input, executor);
}

void Orchestrator::ask_outside(Run& run, Attempt&& attempt, const Action& action,
                               const std::string& input) {
    constexpr std::int64_t kGraceMs = 600'000;  // the port says itself when the time is over
    const workflow::Step& step = run.workflow->definition.steps[attempt.step];
    const std::uint64_t ticket = attempts_.make_ticket();
    OutsideAsk ask;
    ask.tenant = run.head.run.tenant;
    ask.name = action.id;
    ask.input_json = input;
    ask.key = attempt.key;
    ask.timeout_ms = step.timeout_ms > 0 ? step.timeout_ms
                     : action.http       ? action.http->timeout_ms
                                         : action.command->timeout_ms;
    attempts_.add(ticket, std::move(attempt));
    attempts_.set_deadline(ticket,
                           deps_.clock->monotonic_ns() + (ask.timeout_ms + kGraceMs) * 1'000'000);
    ++run.flying;
    if (deps_.actions->ask(*this, ticket, std::move(ask))) return;
    --run.flying;
    if (const auto kept = attempts_.take(ticket)) try_again(*kept, kHeldNs, Known::kNotBegun);
}

Orchestrator::Host* Orchestrator::host_of(core::TenantId tenant) {
    for (Host& one : hosts_) {
        if (one.tenant() == tenant) return &one;
    }
    return &hosts_.emplace_back(*this, tenant);
}

}  // namespace millrace::runtime
