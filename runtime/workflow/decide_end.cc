// The part of a decision about the end of a run: its output, or what has to be undone.
#include "core/json_writer.h"
#include "runtime/workflow/decider.h"
#include "runtime/workflow/run_data.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::workflow {

using Ending = RunState::Ending;

namespace {

constexpr RetryRule kUndoRetry{RetryStrategy::kExponential, kCompensationAttemptsMax, 1'000, 60'000,
                               2};

}  // namespace

void Decider::check_end() {
    if (state_.is_final() || state_.status == RunStatus::kCompensating) return;
    bool active = false;
    bool flying = false;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        active |= state(i).is_active();
        flying |= in_flight(i);
    }
    if (state_.ending != Ending::kNone) {
        if (!flying) undo_or_finish();
    } else if (!active && !state_.paused && !definition_.grows) {
        auto output = run_output();
        if (!output) {
            fail_run("TEMPLATE", "output: " + output.error().message);
            return undo_or_finish();
        }
        state_.output = std::move(*output);
        finish(RunStatus::kCompleted);
    }
}

core::Result<std::string> Decider::run_output() {
    if (!definition_.output.empty()) {
        RunData data(definition_, state_);
        return fill_templates(definition_.output, data);
    }
    std::vector<StepIndex> last;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        const bool leads = std::any_of(of(i).next.begin(), of(i).next.end(), [&](StepIndex to) {
            return to != kNoStep && state(to).status != StepStatus::kSkipped;
        });
        if (!leads && of(i).parent == kNoStep && !state(i).output.empty() &&
            of(i).type != StepType::kCondition)
            last.push_back(i);
    }
    if (last.size() == 1) return state(last[0]).output;
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    for (const StepIndex step : last) json.raw_field(of(step).id, state(step).output);
    json.end_object();
    return out;
}

void Decider::undo_or_finish() {
    const bool cancelling = state_.ending == Ending::kCancelling;
    bool any = false;
    if (cancelling || state_.undo_wanted) {
        for (StepIndex i = 0; i < state_.steps.size(); ++i) {
            if (state(i).order == 0 || of(i).compensate.empty()) continue;
            state(i).undo = Undo::kPending;
            any = true;
        }
    }
    if (!any) return finish(cancelling ? RunStatus::kCancelled : RunStatus::kFailed);
    state_.status = RunStatus::kCompensating;
    next_undo();
}

// The one that began last.
void Decider::next_undo() {
    for (;;) {
        StepIndex next = kNoStep;
        bool failed = false;
        for (StepIndex i = 0; i < state_.steps.size(); ++i) {
            failed |= state(i).undo == Undo::kFailed;
            if (state(i).undo != Undo::kPending) continue;
            if (next == kNoStep || state(i).order > state(next).order) next = i;
        }
        if (next == kNoStep)
            return finish(failed ? RunStatus::kCompensationFailed : RunStatus::kCompensated);
        if (start_undo(next)) return;
    }
}

bool Decider::start_undo(StepIndex at) {
    StepState& step = state(at);
    std::string made;
    if (definition_.grows && !of(at).compensate_input.empty()) {
        made = of(at).compensate_input;  // as it was asked for
    } else if (of(at).compensate_input.empty()) {
        core::JsonWriter json(made);
        json.begin_object().raw_field("input", step.input.empty() ? "null" : step.input);
        if (!step.output.empty()) json.raw_field("output", step.output);
        json.end_object();
    } else {
        RunData data(definition_, state_);
        auto filled = fill_templates(of(at).compensate_input, data);
        if (!filled) {
            step.undo = Undo::kFailed;
            step.error = "compensate.input: " + filled.error().message;
            step.code = "TEMPLATE";
            return false;
        }
        made = std::move(*filled);
    }
    step.undo = Undo::kRunning;
    step.undo_due_us = 0;
    ++step.undo_attempt;
    Effect& effect = add(EffectKind::kUndo, at);
    effect.attempt = step.undo_attempt;
    step.undo_input = std::move(made);
    effect.input = step.undo_input;
    return true;
}

bool Decider::undo_ended() {
    if (input_.step == kNoStep || state(input_.step).undo != Undo::kRunning ||
        state(input_.step).undo_attempt != input_.attempt)
        return false;
    StepState& step = state(input_.step);
    if (input_.outcome == StepOutcome::kOk) {
        step.undo = Undo::kDone;
        step.status = StepStatus::kCompensated;
    } else if (input_.outcome == StepOutcome::kFailed &&
               step.undo_attempt < kCompensationAttemptsMax) {
        step.undo = Undo::kRetrying;
        step.undo_due_us =
            input_.at_us + delay_ms(kUndoRetry, step.undo_attempt, input_.spread) * 1000;
        return true;
    } else {
        step.undo = Undo::kFailed;
        step.error = input_.error;
        step.code = "COMPENSATION";
    }
    next_undo();
    return true;
}

void Decider::finish(RunStatus status) {
    state_.status = status;
    state_.ended_us = input_.at_us;
    arrivals_.clear();
    switch (status) {
        case RunStatus::kCompleted: return tell("workflow.completed");
        case RunStatus::kCancelled: return tell("workflow.cancelled");
        case RunStatus::kCompensated: return tell("workflow.compensated");
        default: return tell("workflow.failed");
    }
}

void Decider::show_status() {
    if (state_.is_final() || state_.status == RunStatus::kCompensating) return;
    bool waiting = false;
    bool running = false;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        waiting |=
            state(i).status == StepStatus::kWaiting || state(i).status == StepStatus::kRetrying;
        running |= in_flight(i);
    }
    state_.status = state_.paused         ? RunStatus::kPaused
                    : waiting && !running ? RunStatus::kWaiting
                                          : RunStatus::kRunning;
}

void Decider::warn() {
    if (state_.warned) return;
    const bool bytes = state_.bytes > kRunBytesMax / 5 * 4;
    const bool starts = state_.starts > kStepStartsMax / 5 * 4;
    if (!bytes && !starts) return;
    state_.warned = true;
    Effect& effect = add(EffectKind::kWarn, kNoStep);
    effect.code = bytes ? "bytes" : "steps";
}

Effect& Decider::add(EffectKind kind, StepIndex at) {
    Effect& effect = effects_.emplace_back();
    effect.kind = kind;
    effect.step = at;
    effect.at_us = input_.at_us;
    if (at != kNoStep) {
        effect.iteration = state(at).iteration;
        effect.attempt = state(at).attempt;
    }
    return effect;
}

void Decider::tell(std::string_view pattern, StepIndex at) {
    Effect& effect = add(EffectKind::kTell, at);
    effect.pattern = pattern;
    effect.code = at == kNoStep ? state_.code : state(at).code;
}

}  // namespace millrace::runtime::workflow
