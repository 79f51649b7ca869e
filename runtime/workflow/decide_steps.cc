// The part of a decision that leads from step to step: edges, and what each kind begins with.
#include "core/duration.h"
#include "core/json_dom.h"
#include "core/timestamp.h"
#include "runtime/workflow/condition.h"
#include "runtime/workflow/decider.h"
#include "runtime/workflow/run_data.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::workflow {

using Ending = RunState::Ending;

void Decider::drain() {
    while (!arrivals_.empty()) {
        const Arrival one = arrivals_.front();
        arrivals_.pop_front();
        StepState& step = state(one.step);
        ++step.arrived;
        step.taken += one.taken;
        if (step.arrived < of(one.step).incoming || step.is_final()) continue;
        if (step.taken == 0)
            skip(one.step);
        else if (state_.ending != Ending::kNone)
            step.status = StepStatus::kCancelled;
        else if (state_.paused)
            step.ready = true;
        else
            begin(one.step);
    }
}

// Nobody comes this way any more.
void Decider::skip(StepIndex at) {
    state(at).status = StepStatus::kSkipped;
    for (const auto& region : of(at).regions) {
        for (const StepIndex inside : region) state(inside).status = StepStatus::kSkipped;
    }
    for (const StepIndex to : of(at).next) arrive(to, false);
}

void Decider::arrive(StepIndex to, bool taken) {
    if (to != kNoStep) arrivals_.push_back({to, taken});
}

void Decider::begin(StepIndex at) {
    StepState& step = state(at);
    step.ready = false;
    if (state_.starts >= kStepStartsMax) {
        return fail_run("LIMIT", "the run has begun " + std::to_string(kStepStartsMax) +
                                     " steps, which is the limit");
    }
    ++state_.starts;
    step.attempt = 1;
    step.started_us = input_.at_us;
    tell("workflow.step.started", at);
    if (definition_.grows) return begin_as_asked(at);
    switch (of(at).type) {
        case StepType::kCondition: return judge(at);
        case StepType::kParallel: return split(at);
        case StepType::kWait: return wait(at);
        case StepType::kSleep: return sleep(at);
        case StepType::kAction:
        case StepType::kWorkflow: return prepare(at);
    }
}

void Decider::begun(StepIndex at, StepStatus status) {
    state(at).status = status;
    state(at).order = state_.starts;
    if (of(at).timeout_ms > 0) state(at).due_us = input_.at_us + of(at).timeout_ms * 1000;
}

void Decider::prepare(StepIndex at) {
    RunData data(definition_, state_);
    if (of(at).input.empty()) {
        state(at).input = data.data();
    } else {
        auto filled = fill_templates(of(at).input, data);
        if (!filled) return fail_step(at, true, "TEMPLATE", filled.error().message);
        state(at).input = std::move(*filled);
    }
    launch(at);
}

void Decider::launch(StepIndex at) {
    const std::uint32_t order = state(at).order;
    begun(at, StepStatus::kRunning);
    if (order != 0) state(at).order = order;
    const StepState& step = state(at);
    Effect& effect =
        add(of(at).type == StepType::kWorkflow ? EffectKind::kChild : EffectKind::kStart, at);
    effect.input = step.input;
}

void Decider::judge(StepIndex at) {
    RunData data(definition_, state_);
    begun(at, StepStatus::kRunning);
    auto filter = fill_templates(of(at).conditions, data);
    if (!filter) return fail_step(at, true, "TEMPLATE", filter.error().message);
    auto truth = holds(*filter, data.filter_payload());
    if (!truth) return fail_step(at, true, "CONDITION", truth.error().message);
    complete(at, *truth ? "true" : "false");
}

void Decider::split(StepIndex at) {
    begun(at, StepStatus::kRunning);
    for (const StepIndex branch : of(at).branches) arrive(branch, true);
}

void Decider::wait(StepIndex at) {
    begun(at, StepStatus::kWaiting);
    if (of(at).event.empty()) return take_signal(at);
    RunData data(definition_, state_);
    auto match = fill_templates(of(at).match, data);
    if (!match) return fail_step(at, true, "TEMPLATE", match.error().message);
    state(at).input = std::move(*match);
    add(EffectKind::kWait, at).input = state(at).input;
}

// One that came before anybody waited for it.
void Decider::take_signal(StepIndex at) {
    for (std::size_t i = 0; i < state_.signals.size(); ++i) {
        if (state_.signals[i].name != of(at).signal) continue;
        const std::string payload = std::move(state_.signals[i].payload);
        state_.signals.erase(state_.signals.begin() + static_cast<std::ptrdiff_t>(i));
        state_.bytes -= std::min(state_.bytes, payload.size());
        return end_well(at, payload);
    }
}

void Decider::sleep(StepIndex at) {
    RunData data(definition_, state_);
    const bool until = !of(at).until.empty();
    auto filled = fill_templates(until ? of(at).until : of(at).duration, data);
    if (!filled) return fail_step(at, true, "TEMPLATE", filled.error().message);
    core::JsonDom dom;
    core::JsonElement value;
    std::string_view text;
    std::int64_t us = -1;
    if (dom.read(*filled, value)) {
        if (value.get(text)) {
            if (until ? !core::parse_timestamp(text, us) : !core::parse_duration_us(text, us))
                us = -1;
        } else if (value.get(us)) {
            us *= 1000;
        }
    }
    if (us < 0 || (!until && us > kStepTimeoutMsMax * 1000)) {
        return fail_step(at, true, "TEMPLATE",
                         (until ? "until: " : "duration: ") + filled->substr(0, 64) +
                             (until ? " is no time" : " is no duration"));
    }
    begun(at, StepStatus::kWaiting);
    state(at).due_us = std::max(until ? us : input_.at_us + us, std::int64_t{1});
}

void Decider::complete(StepIndex at, std::string output) {
    StepState& step = state(at);
    step.status = StepStatus::kCompleted;
    step.ended_us = input_.at_us;
    step.due_us = 0;
    state_.bytes += output.size();
    step.output = std::move(output);
    step.error.clear();
    step.code.clear();
    if (definition_.grows) state_.ended.push_back(at);
    tell("workflow.step.completed", at);
    lead_on(at);
}

void Decider::lead_on(StepIndex at) {
    for (std::size_t edge = 0; edge < of(at).next.size(); ++edge)
        arrive(of(at).next[edge], is_taken(at, edge));
}

}  // namespace millrace::runtime::workflow
