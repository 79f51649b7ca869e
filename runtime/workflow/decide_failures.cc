// The part of a decision about what fails, and about branches of which some may.
#include "core/json_writer.h"
#include "runtime/workflow/decider.h"

#include <algorithm>

namespace millrace::runtime::workflow {

using Ending = RunState::Ending;

namespace {

constexpr std::int64_t kRetryAfterMsMax = 2LL * 3'600'000;

}  // namespace

void Decider::fail_step(StepIndex at, bool fatal, const std::string& code, const std::string& error,
                        std::int64_t retry_after_ms) {
    StepState& step = state(at);
    step.error = error;
    step.code = code.empty() ? "FAILED" : code;
    step.due_us = 0;
    if (fatal || state_.ending != Ending::kNone || step.attempt >= of(at).retry.attempts_max)
        return give_up(at);
    const std::int64_t own_ms = delay_ms(of(at).retry, step.attempt, input_.spread);
    const std::int64_t wait_ms =
        std::max(own_ms, std::min(retry_after_ms, own_ms + kRetryAfterMsMax));
    step.status = StepStatus::kRetrying;
    step.due_us = input_.at_us + wait_ms * 1000;
    tell("workflow.step.retrying", at);
}

void Decider::give_up(StepIndex at) {
    StepState& step = state(at);
    step.status = StepStatus::kFailed;
    step.ended_us = input_.at_us;
    if (definition_.grows) state_.ended.push_back(at);
    tell("workflow.step.failed", at);
    if (state_.ending != Ending::kNone) return;
    if (of(at).on_failure == OnFailure::kContinue) {
        step.soft = true;
        return lead_on(at);
    }
    step.undone_too = of(at).on_failure == OnFailure::kCompensate;
    if (definition_.on_failure == OnRunFailure::kPause && !step.undone_too && !lost_branch(at)) {
        state_.paused = true;
        state_.code = step.code;
        state_.error = step.error;
        state_.pause_reason = "step \"" + of(at).id + "\" has failed";
        return;
    }
    if (of(at).parent != kNoStep) return;  // settle() sees it
    state_.undo_wanted |= step.undone_too;
    fail_run(step.code, "step \"" + of(at).id + "\": " + step.error);
}

void Decider::fail_run(const std::string& code, const std::string& error) {
    if (state_.ending != Ending::kNone) return;
    state_.ending = Ending::kFailing;
    state_.code = code;
    state_.error = error;
    state_.undo_wanted |= definition_.on_failure == OnRunFailure::kCompensate;
    stop_waiting();
}

bool Decider::in_flight(StepIndex at) const {
    return state_.steps[at].status == StepStatus::kRunning &&
           (of(at).type == StepType::kAction || of(at).type == StepType::kWorkflow);
}

// What has begun outside ends by itself; all else does not go on.
void Decider::stop_waiting() {
    state_.paused = false;
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        StepState& step = state(i);
        if (step.is_final()) continue;
        if (in_flight(i)) {
            if (of(i).type == StepType::kWorkflow) abandon(i);  // its run is cancelled too
            continue;
        }
        cancel_step(i);
    }
    arrivals_.clear();
}

void Decider::cancel_step(StepIndex at) {
    StepState& step = state(at);
    if (step.is_final()) return;
    if (step.status == StepStatus::kWaiting || in_flight(at)) abandon(at);
    step.status = StepStatus::kCancelled;
    step.ready = false;
    step.due_us = 0;
    step.ended_us = input_.at_us;
}

void Decider::cancel_branch(const std::vector<StepIndex>& region, Running running) {
    for (const StepIndex inside : region) {
        if (running == Running::kLeave && in_flight(inside)) continue;
        cancel_step(inside);
    }
}

void Decider::cancel_region(StepIndex parallel, Running running) {
    for (const auto& region : of(parallel).regions) cancel_branch(region, running);
}

bool Decider::settle() {
    if (state_.ending != Ending::kNone) return false;
    bool changed = false;
    // Inner ones stand behind outer ones as a rule; whichever changes, all are asked again.
    for (StepIndex i = 0; i < state_.steps.size() && state_.ending == Ending::kNone; ++i) {
        if (of(i).type == StepType::kParallel && state(i).status == StepStatus::kRunning)
            changed |= settle_one(i);
    }
    return changed && state_.ending == Ending::kNone;
}

bool Decider::settle_one(StepIndex at) {
    const auto& regions = of(at).regions;
    std::size_t succeeded = 0;
    std::size_t failed = 0;
    std::size_t flying = 0;
    bool pausing = false;
    StepIndex first_failed = kNoStep;
    for (const auto& region : regions) {
        bool all = true;
        bool bad = false;
        for (const StepIndex inside : region) {
            const StepState& step = state(inside);
            all &= step.is_final();
            flying += in_flight(inside);
            if (step.status != StepStatus::kFailed || step.soft) continue;
            // That of an inner parallel step which has put up with it is none.
            if (of(inside).parent != at) continue;
            bad = true;
            if (first_failed == kNoStep) first_failed = inside;
        }
        failed += bad;
        succeeded += all && !bad;
        if (bad && of(at).branches_wanted < regions.size())
            cancel_branch(region, Running::kAbandon);
    }
    pausing = state_.paused && definition_.on_failure == OnRunFailure::kPause;
    if (succeeded >= of(at).branches_wanted) {
        cancel_region(at, Running::kAbandon);
        complete(at, branch_outputs(at));
        return true;
    }
    if (regions.size() - failed >= of(at).branches_wanted || pausing) return false;
    cancel_region(at, Running::kLeave);
    // Only when what is under way has ended is it known what there is to undo.
    if (flying != 0 && of(at).branches_wanted == regions.size()) return false;
    StepState& step = state(at);
    step.code = state(first_failed).code;
    step.error = "step \"" + of(first_failed).id + "\": " + state(first_failed).error;
    const bool undone = state(first_failed).undone_too;
    give_up(at);
    state(at).undone_too |= undone;
    state_.undo_wanted |= undone && state_.ending != Ending::kNone;
    return true;
}

// By branch, what its last step gave.
std::string Decider::branch_outputs(StepIndex at) const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    for (std::size_t i = 0; i < of(at).regions.size(); ++i) {
        StepIndex last = kNoStep;
        for (const StepIndex inside : of(at).regions[i]) {
            if (state_.steps[inside].output.empty() || of(inside).type == StepType::kCondition)
                continue;
            if (last == kNoStep || of(inside).merge_rank > of(last).merge_rank) last = inside;
        }
        const std::string& id = of(of(at).branches[i]).id;
        json.raw_field(id, last == kNoStep ? "null" : state_.steps[last].output);
    }
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::workflow
