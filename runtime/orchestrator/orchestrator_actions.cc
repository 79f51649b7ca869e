// The part of Orchestrator that has the actions of steps done, by the executors that deliveries use
// too, and turns what came of them into inputs.
#include "core/json_writer.h"
#include "core/made_id.h"
#include "core/timestamp.h"
#include "runtime/delivery/workflow_turn.h"
#include "runtime/event/tenant_names.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/orchestrator/orchestrator_host.h"
#include "runtime/workflow/asked.h"
#include "store/log/log_reader.h"

#include <xxhash.h>

#include <algorithm>

namespace millrace::runtime {

using workflow::Effect;
using workflow::EffectKind;
using workflow::Input;
using workflow::StepOutcome;

namespace {

constexpr std::size_t kKeyBytesMax = 120;  // what executors have room for
constexpr std::int64_t kHeldMsMin = 100;

std::size_t write_key(const void* self, char* out, std::size_t bytes_max) {
    const auto& key = *static_cast<const std::string*>(self);
    return key.copy(out, bytes_max);
}

}  // namespace

// The same over all attempts and restarts.
std::string Orchestrator::key_of(const Run& run, const Effect& effect) {
    const workflow::Step& step = run.workflow->definition.steps[effect.step];
    std::string key = run.head.run.id + ":" + step.id + ":" + std::to_string(effect.iteration);
    if (effect.kind == EffectKind::kUndo) key += ":undo";
    if (key.size() <= kKeyBytesMax) return key;
    const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
    std::string out = "wk_";
    core::append_id_digits(out, hash.high64, 13);
    core::append_id_digits(out, hash.low64, 13);
    return out;
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
    const std::uint64_t ticket = ++last_ticket_;
    OutsideAsk ask;
    ask.tenant = run.head.run.tenant;
    ask.name = action.id;
    ask.input_json = input;
    ask.key = attempt.key;
    ask.timeout_ms = step.timeout_ms > 0 ? step.timeout_ms
                     : action.http       ? action.http->timeout_ms
                                         : action.command->timeout_ms;
    attempt.deadline_ns = deps_.clock->monotonic_ns() + (ask.timeout_ms + kGraceMs) * 1'000'000;
    deadlines_.emplace(attempt.deadline_ns, ticket);
    ++run.flying;
    const Attempt& kept = attempts_.emplace(ticket, std::move(attempt)).first->second;
    if (deps_.actions->ask(*this, ticket, std::move(ask))) return;
    --run.flying;
    deadlines_.erase({kept.deadline_ns, ticket});
    try_again(kept, kHeldNs, Known::kNotBegun);
    attempts_.erase(ticket);
}

void Orchestrator::answered(std::uint64_t ticket, OutsideAnswer&& answer) {
    const auto kept = std::make_shared<OutsideAnswer>(std::move(answer));
    post([this, ticket, kept] {
        const auto at = attempts_.find(ticket);
        if (at == attempts_.end()) return;
        Attempt attempt = std::move(at->second);
        deadlines_.erase({attempt.deadline_ns, ticket});
        attempts_.erase(at);
        AttemptResult result;
        if (kept->code.empty()) {
            result.outcome = AttemptOutcome::kOk;
            result.outcome_text = "completed";
            result.result_json = std::move(kept->json);
        } else {
            const bool gone = kept->code == "NOT_FOUND";
            result.fail(kept->code + ": " + kept->message,
                        gone ? AttemptOutcome::kFatal : AttemptOutcome::kFailed);
        }
        const RunName name = attempt.run;
        settle(std::move(attempt), result);
        let_go(name);
    });
}

Orchestrator::Host* Orchestrator::host_of(core::TenantId tenant) {
    for (Host& one : hosts_) {
        if (one.tenant() == tenant) return &one;
    }
    return &hosts_.emplace_back(*this, tenant);
}

void Orchestrator::launch(Attempt&& begun, AttemptInput& input, Executor* executor) {
    const std::uint64_t ticket = ++last_ticket_;
    Attempt& attempt = attempts_.emplace(ticket, std::move(begun)).first->second;
    attempt.executor = executor;
    // Short texts move with the attempt.
    if (attempt.subscription) {
        attempt.event.raw =
            std::string_view(attempt.text).substr(0, attempt.text.size() - core::kPaddingBytes);
        input.event = &attempt.event;
    }
    input.ticket = AttemptTicket(ticket);
    input.registry = attempt.registry.get();
    input.host = host_of(attempt.run.tenant);
    input.delivery_id = {&write_key, &attempt.key};
    input.execution_id = input.delivery_id;
    input.early = attempt.early;
    input.started_at_us = deps_.clock->wall_us();
    AttemptResult result;
    auto how = Executor::Start::kDone;
    running_ = &attempt;
    if (executor)
        how = executor->start(input, result);
    else
        result.fail("this server has no executor of that type", AttemptOutcome::kFatal);
    running_ = nullptr;
    if (Run* run = find(attempt.run)) ++run->flying;
    if (how == Executor::Start::kPending) {
        const PendingBounds bounds = executor->bounds(input);
        attempt.deadline_ns = deps_.clock->monotonic_ns() + bounds.timeout_ms * 1'000'000;
        deadlines_.emplace(attempt.deadline_ns, ticket);
        return;
    }
    Attempt done = std::move(attempt);
    attempts_.erase(ticket);
    if (how == Executor::Start::kTooEarly) {
        if (Run* run = find(done.run)) --run->flying;
        note_outside(done);
        return begin_when_durable(done);
    }
    if (how == Executor::Start::kHeld) {
        if (Run* run = find(done.run)) --run->flying;
        return try_again(done, std::max(kHeldMsMin, result.retry_after_ms) * 1'000'000,
                         Known::kNotBegun, Meanwhile::kRests);
    }
    settle(std::move(done), result);
}

Effect Orchestrator::effect_of(const Attempt& attempt) {
    Effect effect;
    effect.kind = attempt.undo ? EffectKind::kUndo : EffectKind::kStart;
    effect.step = attempt.step;
    effect.iteration = attempt.iteration;
    effect.attempt = attempt.number;
    return effect;
}

// It reaches for the outside, and what it follows from is not durable.
void Orchestrator::begin_when_durable(const Attempt& attempt) {
    Run* const run = find(attempt.run);
    if (!run) return;
    std::vector<Effect> later;
    later.push_back(effect_of(attempt));
    later.back().input = run->state.steps[attempt.step].input;
    open(attempt.run);
    when_durable(*run, std::move(later), {});
}

void Orchestrator::note_outside(const Attempt& attempt) {
    if (outside_scripts_.size() >= kOutsideScriptsMax) outside_scripts_.clear();
    outside_scripts_.emplace(
        attempt.call->pinned ? attempt.call->pinned->number.value : attempt.call->script_number,
        attempt.script_version);
}

// It was not tried, or it does not count: the journal does not know of it.
void Orchestrator::try_again(const Attempt& attempt, std::int64_t delay_ns, Known known,
                             Meanwhile meanwhile) {
    Run* const run = find(attempt.run);
    if (!run) return;
    const bool rests = meanwhile == Meanwhile::kRests;
    ++run->flying;
    run->resting += rests;
    held_.emplace(deps_.clock->monotonic_ns() + delay_ns,
                  [this, name = attempt.run, effect = effect_of(attempt), known, rests]() mutable {
                      Run* const there = find(name);
                      if (!there) return;
                      --there->flying;
                      there->resting -= rests;
                      begin_again(name, std::move(effect), known);
                  });
}

void Orchestrator::begin_again(const RunName& name, Effect&& effect, Known known) {
    Run* const run = find(name);
    if (run->state.is_final()) tell_end(*run);
    const bool there = effect.step < run->state.steps.size() &&
                       run->state.steps[effect.step].iteration == effect.iteration;
    if (there && !run->state.is_final() && !stopping_.load(std::memory_order_relaxed)) {
        const workflow::StepState& state = run->state.steps[effect.step];
        effect.input = effect.kind == EffectKind::kUndo ? state.undo_input : state.input;
        if (known == Known::kNothing || is_suspended(name.tenant)) {
            perform(*run, {std::move(effect)});
        } else {
            ++run->flying;  // it stays while this goes on
            start(*run, effect, known);
            --run->flying;
        }
    }
    let_go(name);
}

std::size_t Orchestrator::retry_held() {
    std::size_t done = 0;
    while (!held_.empty() && held_.begin()->first <= deps_.clock->monotonic_ns()) {
        const auto task = std::move(held_.begin()->second);
        held_.erase(held_.begin());
        task();
        ++done;
    }
    return done;
}

// What people see of a run tells no secret; what steps hand on is theirs.
void Orchestrator::hide_secrets(const Attempt& attempt, std::string& error) {
    if (error.size() < HiddenTexts::kHiddenBytesMin) return;
    mask_.of(*deps_.registry(), attempt.run.tenant).hide(error);
    if (!attempt.subscription || !attempt.subscription->executor.secrets) return;
    const auto& own = attempt.subscription->executor.secrets->hidden;
    if (own) own->hide(error);
}

void Orchestrator::settle(Attempt&& attempt, AttemptResult& result) {
    const RunName name = attempt.run;
    Run* const run = find(name);
    if (!run) return;
    --run->flying;
    if (result.outcome == AttemptOutcome::kSilent) {
        try_again(attempt, std::max(kHeldMsMin, result.retry_after_ms) * 1'000'000,
                  Known::kNothing);
        return let_go(name);
    }
    const auto& turn = attempt.call ? attempt.call->workflow : nullptr;
    if (turn && !take_step_turn(*run, attempt, result)) return let_go(name);
    Input input;
    input.kind = attempt.undo ? workflow::InputKind::kUndoEnded : workflow::InputKind::kStepEnded;
    input.step = attempt.step;
    input.iteration = attempt.iteration;
    input.attempt = attempt.number;
    const bool ok = result.outcome == AttemptOutcome::kOk;
    if (ok) {
        input.value = result.result_json.empty() ? "null" : std::move(result.result_json);
    } else {
        const bool fatal = result.outcome == AttemptOutcome::kFatal;
        input.outcome = fatal ? StepOutcome::kFatal : StepOutcome::kFailed;
        input.error = std::move(result.error);
        hide_secrets(attempt, input.error);
        input.code =
            result.stopped() ? (result.outcome_text == "timeout" ? "TIMEOUT" : "MEMORY") : "FAILED";
        if (turn && !turn->code.empty() && !result.stopped()) input.code = turn->code;
        input.retry_after_ms = result.retry_after_ms;
    }
    // One commit with the input; not if nobody waited for the step any more.
    if (apply(*run, std::move(input)) && ok) {
        builder_.take(result.effects, name.tenant, deps_.clock->wall_us());
        open_events_ += result.effects.emitted.size();
    }
    let_go(name);
}

std::size_t Orchestrator::settle_answers() {
    taken_.clear();
    answers_.take(taken_);
    for (Answer& answer : taken_) {
        const auto at = attempts_.find(answer.ticket.value);
        if (at == attempts_.end()) continue;
        Attempt attempt = std::move(at->second);
        deadlines_.erase({attempt.deadline_ns, answer.ticket.value});
        attempts_.erase(at);
        settle(std::move(attempt), answer.result);
    }
    return taken_.size();
}

std::size_t Orchestrator::settle_overdue() {
    std::size_t done = 0;
    while (!deadlines_.empty() && deadlines_.begin()->first <= deps_.clock->monotonic_ns()) {
        const std::uint64_t ticket = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        const auto at = attempts_.find(ticket);
        if (at == attempts_.end()) continue;
        Attempt attempt = std::move(at->second);
        attempts_.erase(at);
        if (attempt.executor)
            attempt.executor->abandon(AttemptTicket(ticket));
        else if (deps_.actions)
            deps_.actions->cancel(*this, ticket);
        AttemptResult result;
        result.fail("did not answer in time");
        result.outcome_text = "timeout";
        settle(std::move(attempt), result);
        ++done;
    }
    return done;
}

void Orchestrator::abandon(Run& run, const Effect& effect) {
    const RunName& name = run.head.run;
    waits_.remove(name, effect.step);
    for (auto at = attempts_.begin(); at != attempts_.end();) {
        Attempt& attempt = at->second;
        if (attempt.run != name || attempt.step != effect.step) {
            ++at;
            continue;
        }
        if (attempt.executor)
            attempt.executor->abandon(AttemptTicket(at->first));
        else if (deps_.actions)
            deps_.actions->cancel(*this, at->first);
        deadlines_.erase({attempt.deadline_ns, at->first});
        --run.flying;
        at = attempts_.erase(at);
    }
    if (run.workflow->definition.steps[effect.step].type == workflow::StepType::kWorkflow)
        leave_child(run, effect);
}

}  // namespace millrace::runtime
