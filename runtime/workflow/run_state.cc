#include "runtime/workflow/run_state.h"

#include <algorithm>

namespace millrace::runtime::workflow {
namespace {

constexpr std::string_view kRunTexts[] = {
    "pending", "running",   "waiting",      "paused",      "completed",
    "failed",  "cancelled", "compensating", "compensated", "compensation_failed"};

}  // namespace

bool RunState::is_busy(const Definition& definition) const {
    if (wants_code()) return true;
    if (is_final()) return false;
    for (StepIndex i = 0; i < steps.size(); ++i) {
        const bool acts = definition.steps[i].type == StepType::kAction &&
                          steps[i].status == StepStatus::kRunning;
        if (acts || steps[i].undo == Undo::kRunning) return true;
    }
    return false;
}

bool RunState::waits_for_run(const Definition& definition) const {
    if (is_final()) return false;
    for (StepIndex i = 0; i < steps.size(); ++i) {
        if (definition.steps[i].type == StepType::kWorkflow &&
            steps[i].status == StepStatus::kRunning)
            return true;
    }
    return false;
}

std::optional<std::int64_t> RunState::next_due_us() const {
    std::optional<std::int64_t> next;
    const auto take = [&](std::int64_t due) {
        if (due != 0 && (!next || due < *next)) next = due;
    };
    if (is_final() || (paused && ending == Ending::kNone)) return next;
    if (ending == Ending::kNone) take(due_us);
    for (const StepState& step : steps) {
        if (!step.is_final()) take(step.due_us);
        if (step.undo == Undo::kRetrying) take(step.undo_due_us);
    }
    return next;
}

std::string_view run_status_text(RunStatus status) {
    return kRunTexts[static_cast<std::size_t>(status)];
}

bool parse_run_status(std::string_view text, RunStatus& out) {
    const auto* at = std::find(std::begin(kRunTexts), std::end(kRunTexts), text);
    if (at == std::end(kRunTexts)) return false;
    out = static_cast<RunStatus>(at - std::begin(kRunTexts));
    return true;
}

std::string_view step_status_text(StepStatus status) {
    constexpr std::string_view kTexts[] = {"pending", "running",   "retrying",
                                           "waiting", "completed", "failed",
                                           "skipped", "cancelled", "compensated"};
    return kTexts[static_cast<std::size_t>(status)];
}

}  // namespace millrace::runtime::workflow
