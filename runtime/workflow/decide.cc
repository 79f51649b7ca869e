#include "runtime/workflow/decider.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::workflow {

using Ending = RunState::Ending;

bool Decider::decide() {
    if (!take()) return false;
    for (;;) {
        drain();
        if (!settle()) break;
    }
    check_end();
    show_status();
    warn();
    return true;
}

bool Decider::take() {
    if (input_.kind == InputKind::kStart) return start();
    if (state_.status == RunStatus::kPending || state_.is_final()) return false;
    if (input_.step != kNoStep && input_.step >= state_.steps.size()) return false;
    switch (input_.kind) {
        case InputKind::kStepBegan: return step_began();
        case InputKind::kStepEnded: return step_ended();
        case InputKind::kUndoEnded: return undo_ended();
        case InputKind::kTime: return time();
        case InputKind::kEvent: return event();
        case InputKind::kSignal: return signal();
        case InputKind::kCancel: return cancel();
        case InputKind::kTerminate: return terminate();
        case InputKind::kPause: return pause();
        case InputKind::kResume: return resume();
        case InputKind::kAsked: return asked();
        case InputKind::kReturned: return returned();
        default: return false;
    }
}

bool Decider::start() {
    if (state_.status != RunStatus::kPending) return false;
    state_.source = input_.source;
    state_.by_code = definition_.grows;
    if (!definition_.grows) state_.steps.resize(definition_.steps.size());
    state_.started_us = input_.at_us;
    state_.bytes = state_.source.event.size() + state_.source.input.size();
    if (definition_.timeout_ms > 0) state_.due_us = input_.at_us + definition_.timeout_ms * 1000;
    state_.status = RunStatus::kRunning;
    tell("workflow.started");
    if (state_.bytes > kRunBytesMax) {
        fail_run("LIMIT",
                 "the run's input is longer than " + std::to_string(kRunBytesMax) + " bytes");
    } else if (!definition_.grows) {
        arrivals_.push_back({0, true});
    }
    return true;
}

bool Decider::is_current(StepStatus status) {
    return input_.step != kNoStep && state(input_.step).status == status &&
           state(input_.step).iteration == input_.iteration;
}

bool Decider::step_began() {
    if (!is_current(StepStatus::kRunning) || state(input_.step).began) return false;
    state(input_.step).began = true;
    return true;
}

bool Decider::step_ended() {
    // Of a wait: nobody can wait for what its filter has turned out to be.
    const bool can_not_wait = input_.outcome == StepOutcome::kFatal &&
                              is_current(StepStatus::kWaiting) &&
                              of(input_.step).type == StepType::kWait;
    if (!can_not_wait &&
        (!is_current(StepStatus::kRunning) || state(input_.step).attempt != input_.attempt))
        return false;
    if (of(input_.step).type == StepType::kParallel) return false;
    if (input_.outcome != StepOutcome::kOk) {
        fail_step(input_.step, input_.outcome == StepOutcome::kFatal, input_.code, input_.error,
                  input_.retry_after_ms);
        return true;
    }
    end_well(input_.step, input_.value);
    return true;
}

// An output that is too long fails the step, and does not come right by trying again.
void Decider::end_well(StepIndex at, const std::string& output) {
    if (output.size() > kOutputBytesMax) {
        return fail_step(at, true, "LIMIT",
                         "an output of " + std::to_string(output.size()) + " bytes; the limit is " +
                             std::to_string(kOutputBytesMax));
    }
    if (state_.bytes + output.size() > kRunBytesMax) {
        return fail_step(at, true, "LIMIT",
                         "inputs and outputs of the run are longer than " +
                             std::to_string(kRunBytesMax) + " bytes");
    }
    complete(at, output == "null" ? std::string() : output);
}

bool Decider::time() {
    bool any = false;
    if (state_.due_us != 0 && state_.due_us <= input_.at_us && state_.ending == Ending::kNone) {
        state_.due_us = 0;
        tell("workflow.timeout");
        fail_run("TIMEOUT",
                 "the run took longer than " + std::to_string(definition_.timeout_ms) + " ms");
        any = true;
    }
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        StepState& step = state(i);
        if (step.undo == Undo::kRetrying && step.undo_due_us <= input_.at_us) {
            start_undo(i);
            any = true;
        }
        if (step.is_final() || step.due_us == 0 || step.due_us > input_.at_us) continue;
        step.due_us = 0;
        any = true;
        fell_due(i);
    }
    return any;
}

void Decider::fell_due(StepIndex at) {
    StepState& step = state(at);
    if (step.status == StepStatus::kRetrying) {
        ++step.attempt;
        launch(at);
    } else if (step.status == StepStatus::kRunning) {
        if (of(at).type == StepType::kParallel)
            cancel_region(at, Running::kAbandon);
        else
            abandon(at);
        fail_step(at, of(at).type == StepType::kParallel, "TIMEOUT",
                  "took longer than " + std::to_string(of(at).timeout_ms) + " ms");
    } else if (of(at).type == StepType::kSleep) {
        complete(at, {});
    } else {
        abandon(at);
        fail_step(at, true, "TIMEOUT",
                  "nothing came in " + std::to_string(of(at).timeout_ms) + " ms");
    }
}

bool Decider::event() {
    if (!is_current(StepStatus::kWaiting) || of(input_.step).type != StepType::kWait) return false;
    abandon(input_.step);
    if (definition_.grows) state(input_.step).place = input_.name;
    end_well(input_.step, input_.value);
    return true;
}

bool Decider::signal() {
    if (state_.ending != Ending::kNone) return false;
    StepIndex first = kNoStep;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        if (state(i).status == StepStatus::kWaiting && of(i).signal == input_.name &&
            !input_.name.empty() && (first == kNoStep || state(i).order < state(first).order))
            first = i;
    }
    if (first != kNoStep) {
        end_well(first, input_.value);
        return true;
    }
    if (state_.signals.size() >= kSignalsMax) return false;
    state_.bytes += input_.value.size();
    state_.signals.push_back({input_.name, input_.value});
    return true;
}

bool Decider::cancel() {
    if (state_.ending != Ending::kNone) return false;
    state_.ending = Ending::kCancelling;
    state_.code = "CANCELLED";
    state_.error = input_.name.empty() ? "cancelled" : input_.name;
    stop_waiting();
    return true;
}

bool Decider::terminate() {
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        StepState& step = state(i);
        if (in_flight(i) || step.status == StepStatus::kWaiting || step.undo == Undo::kRunning)
            abandon(i);
        if (!step.is_final()) step.status = StepStatus::kCancelled;
    }
    state_.code = "TERMINATED";
    state_.error = input_.name.empty() ? "terminated" : input_.name;
    finish(RunStatus::kCancelled);
    return true;
}

bool Decider::pause() {
    if (state_.ending != Ending::kNone || (state_.paused && input_.code.empty())) return false;
    state_.paused = true;
    state_.pause_reason = input_.name;
    if (!input_.code.empty()) stop_at(input_.step);
    return true;
}

bool Decider::resume() {
    if (!state_.paused || state_.ending != Ending::kNone) return false;
    if (input_.step != kNoStep && (definition_.grows || state(input_.step).order == 0))
        return false;
    state_.heard = 0;  // the code looks at its way again
    state_.paused = false;
    state_.pause_reason.clear();
    state_.error.clear();
    state_.code.clear();
    if (input_.step != kNoStep) run_again_from(input_.step);
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        StepState& step = state(i);
        const bool failed = step.status == StepStatus::kFailed && !step.soft && !lost_branch(i);
        if (failed) begin_anew(i);
        if (step.ready || failed) begin(i);
    }
    return true;
}

// A failed step of a branch that nobody needs stays as it is.
bool Decider::lost_branch(StepIndex at) const {
    for (StepIndex p = of(at).parent; p != kNoStep; p = of(p).parent) {
        if (state_.steps[p].is_final()) return true;
        if (of(p).branches_wanted < of(p).branches.size()) return true;
    }
    return false;
}

void Decider::begin_anew(StepIndex at) {
    const std::uint32_t iteration = state(at).iteration;
    const bool started = state(at).order != 0;
    const std::uint32_t arrived = state(at).arrived;
    const std::uint32_t taken = state(at).taken;
    if (in_flight(at) || state(at).status == StepStatus::kWaiting) abandon(at);
    state(at) = StepState{};
    state(at).iteration = iteration + (started ? 1 : 0);
    state(at).arrived = arrived;
    state(at).taken = taken;
}

// The step and everything behind it, as if it had just been reached.
void Decider::run_again_from(StepIndex from) {
    std::vector<bool> again(state_.steps.size(), false);
    std::vector<StepIndex> open = {from};
    again[from] = true;
    const auto reach = [&](StepIndex to) {
        if (to == kNoStep || again[to]) return;
        again[to] = true;
        open.push_back(to);
    };
    while (!open.empty()) {
        const StepIndex at = open.back();
        open.pop_back();
        for (const StepIndex to : of(at).next) reach(to);
        for (const StepIndex to : of(at).branches) reach(to);
        // The parallel step that holds it has not ended then, and neither has what follows.
        if (of(at).parent != kNoStep && state(of(at).parent).is_final())
            reach_behind(of(at).parent, reach);
    }
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        if (again[i]) begin_anew(i);
    }
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        if (again[i] && i != from) count_arrivals(i, again);
    }
    state(from).arrived = state(from).taken = of(from).incoming;
    for (StepIndex p = of(from).parent; p != kNoStep; p = of(p).parent)
        state(p).status = StepStatus::kRunning;
    state(from).ready = true;
}

void Decider::count_arrivals(StepIndex at, const std::vector<bool>& again) {
    StepState& step = state(at);
    step.arrived = step.taken = 0;
    for (StepIndex from = 0; from < state_.steps.size(); ++from) {
        if (again[from] || !state(from).is_final()) continue;
        for (std::size_t edge = 0; edge < of(from).next.size(); ++edge) {
            if (of(from).next[edge] != at) continue;
            ++step.arrived;
            step.taken += is_taken(from, edge);
        }
        const auto& branches = of(from).branches;
        const auto entries = std::count(branches.begin(), branches.end(), at);
        step.arrived += static_cast<std::uint32_t>(entries);
        step.taken += static_cast<std::uint32_t>(entries);
    }
}

bool Decider::is_taken(StepIndex from, std::size_t edge) const {
    const StepState& step = state_.steps[from];
    const bool ended =
        step.status == StepStatus::kCompleted || (step.status == StepStatus::kFailed && step.soft);
    if (!ended) return false;
    if (of(from).type != StepType::kCondition) return true;
    return step.output == (edge == 0 ? "true" : "false");
}

bool decide(const Definition& definition, RunState& state, const Input& input,
            std::vector<Effect>& effects) {
    return Decider(definition, state, input, effects).decide();
}

void resume_effects(const Definition& definition, const RunState& state,
                    std::vector<Effect>& effects) {
    for (StepIndex i = 0; i < state.steps.size(); ++i) {
        const StepState& step = state.steps[i];
        const Step& of = definition.steps[i];
        EffectKind kind = EffectKind::kStart;
        if (step.undo == Undo::kRunning)
            kind = EffectKind::kUndo;
        else if (step.status == StepStatus::kWaiting && !of.event.empty())
            kind = EffectKind::kWait;
        else if (step.status == StepStatus::kRunning && of.type == StepType::kWorkflow)
            kind = EffectKind::kChild;
        else if (step.status != StepStatus::kRunning || of.type != StepType::kAction)
            continue;
        Effect& effect = effects.emplace_back();
        effect.kind = kind;
        effect.step = i;
        effect.iteration = step.iteration;
        effect.attempt = kind == EffectKind::kUndo ? step.undo_attempt : step.attempt;
        effect.input = kind == EffectKind::kUndo ? step.undo_input : step.input;
    }
}

}  // namespace millrace::runtime::workflow
