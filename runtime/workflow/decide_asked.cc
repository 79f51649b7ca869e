// The part of a decision about runs whose steps are asked for by code: there are no edges, and the
// run has its end when the code says so. What fails is told to the code, which decides.
#include "runtime/workflow/asked.h"
#include "runtime/workflow/decider.h"

#include <algorithm>

namespace millrace::runtime::workflow {

using Ending = RunState::Ending;

bool Decider::asked() {
    if (!definition_.grows || state_.paused || state_.ending != Ending::kNone) return false;
    const auto asked = read_asked(input_.value);
    const std::size_t from = state_.steps.size();
    if (!asked || from + asked->steps > definition_.steps.size()) return false;
    state_.steps.resize(from + asked->steps);
    for (std::size_t i = from; i < state_.steps.size(); ++i)
        state_.steps[i].iteration = state_.source.continued + 1;
    state_.bytes += input_.value.size();
    state_.settled = state_.heard = state_.ended.size() + 1;
    // Of the new ones too: they are never begun.
    for (const std::string& id : asked->left) {
        const StepIndex at = definition_.find(id);
        if (at < state_.steps.size()) cancel_step(at);
    }
    if (state_.bytes > kRunBytesMax) {
        fail_run("LIMIT", "inputs and outputs of the run are longer than " +
                              std::to_string(kRunBytesMax) +
                              " bytes; wf.continueAsNew(input) begins anew");
        return true;
    }
    for (auto i = static_cast<StepIndex>(from); i < state_.steps.size(); ++i) {
        if (state_.ending != Ending::kNone) break;
        if (!state(i).is_final()) begin(i);
    }
    return true;
}

void Decider::begin_as_asked(StepIndex at) {
    switch (of(at).type) {
        case StepType::kSleep:
            begun(at, StepStatus::kWaiting);
            state(at).due_us = std::max(input_.at_us + of(at).timeout_ms * 1000, std::int64_t{1});
            return;
        case StepType::kWait:
            begun(at, StepStatus::kWaiting);
            if (of(at).event.empty()) return take_signal(at);
            state(at).input = of(at).match;
            add(EffectKind::kWait, at).input = state(at).input;
            return;
        default: state(at).input = of(at).input; return launch(at);
    }
}

// What nobody waits for any more does not go on.
bool Decider::returned() {
    if (!definition_.grows || state_.ending != Ending::kNone) return false;
    if (input_.outcome != StepOutcome::kOk) {
        fail_run(input_.code.empty() ? "FAILED" : input_.code, input_.error);
        return true;
    }
    if (input_.value.size() > kOutputBytesMax) {
        fail_run("LIMIT", "an output of " + std::to_string(input_.value.size()) +
                              " bytes; the limit is " + std::to_string(kOutputBytesMax));
        return true;
    }
    state_.paused = false;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) cancel_step(i);
    state_.output = input_.value == "null" ? std::string() : input_.value;
    finish(RunStatus::kCompleted);
    return true;
}

// The code does not take the way that is written down. A step that was to be done waits for it.
void Decider::stop_at(StepIndex at) {
    state_.code = input_.code;
    state_.error = input_.error;
    if (at == kNoStep || state(at).status != StepStatus::kRunning) return;
    state(at).status = StepStatus::kPending;
    state(at).due_us = 0;
    state(at).ready = true;
}

}  // namespace millrace::runtime::workflow
