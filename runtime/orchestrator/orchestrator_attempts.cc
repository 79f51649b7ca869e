// The part of Orchestrator that has attempts of steps made, by the executors that deliveries use
// too, and turns what came of them into inputs.
#include "runtime/delivery/workflow_turn.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/orchestrator/orchestrator_host.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using workflow::Effect;
using workflow::EffectKind;
using workflow::Input;
using workflow::StepOutcome;

namespace {

constexpr std::int64_t kHeldMsMin = 100;

std::size_t write_key(const void* self, char* out, std::size_t bytes_max) {
    const auto& key = *static_cast<const std::string*>(self);
    return key.copy(out, bytes_max);
}

}  // namespace

void Orchestrator::launch(Attempt&& begun, AttemptInput& input, Executor* executor) {
    const std::uint64_t ticket = attempts_.make_ticket();
    Attempt& attempt = attempts_.add(ticket, std::move(begun));
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
        attempts_.set_deadline(ticket, deps_.clock->monotonic_ns() + bounds.timeout_ms * 1'000'000);
        return;
    }
    Attempt done = *attempts_.take(ticket);
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

void Orchestrator::answered(std::uint64_t ticket, OutsideAnswer&& answer) {
    const auto kept = std::make_shared<OutsideAnswer>(std::move(answer));
    post([this, ticket, kept] {
        auto attempt = attempts_.take(ticket);
        if (!attempt) return;
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
        const RunName name = attempt->run;
        settle(std::move(*attempt), result);
        let_go(name);
    });
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
    writer_.open(attempt.run);
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
        writer_.take(result.effects, name.tenant);
    }
    let_go(name);
}

std::size_t Orchestrator::settle_answers() {
    taken_.clear();
    answers_.take(taken_);
    for (Answer& answer : taken_) {
        auto attempt = attempts_.take(answer.ticket.value);
        if (attempt) settle(std::move(*attempt), answer.result);
    }
    return taken_.size();
}

std::size_t Orchestrator::settle_overdue() {
    std::size_t done = 0;
    while (const std::uint64_t ticket = attempts_.overdue(deps_.clock->monotonic_ns())) {
        Attempt attempt = *attempts_.take(ticket);
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
    attempts_.take_of(name, effect.step, [&](std::uint64_t ticket, Attempt& attempt) {
        if (attempt.executor)
            attempt.executor->abandon(AttemptTicket(ticket));
        else if (deps_.actions)
            deps_.actions->cancel(*this, ticket);
        --run.flying;
    });
    if (run.workflow->definition.steps[effect.step].type == workflow::StepType::kWorkflow)
        leave_child(run, effect);
}

}  // namespace millrace::runtime
