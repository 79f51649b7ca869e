// The part of Orchestrator for runs that begin other runs. Each attempt of a step that is a
// workflow is a run of its own: it ends with its parent's step, and what comes of it is told there.
#include "core/made_id.h"
#include "runtime/orchestrator/orchestrator.h"
#include "store/rows/registry_store.h"

#include <xxhash.h>

#include <utility>

namespace millrace::runtime {

using workflow::Effect;
using workflow::Input;
using workflow::InputKind;

// The first attempt's has the step's own key.
RunName Orchestrator::child_of(const Run& run, const Effect& effect) {
    std::string key = key_of(run, effect);
    if (effect.attempt > 1) key.append("#").append(std::to_string(effect.attempt));
    const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
    std::string id = "run_c";
    core::append_id_digits(id, hash.high64, 13);
    core::append_id_digits(id, hash.low64, 13);
    return {run.head.run.tenant, std::move(id)};
}

// It may be there already: begun before the process died.
void Orchestrator::start_child(Run& run, const Effect& effect) {
    constexpr std::uint32_t kDepthMax = 16;
    const workflow::StepState& state = run.state.steps[effect.step];
    if (state.status != workflow::StepStatus::kRunning || state.attempt != effect.attempt)
        return;  // it was cancelled while its start was made durable
    const workflow::Step& step = run.workflow->definition.steps[effect.step];
    RunRequest request;
    request.run = child_of(run, effect);
    const RunName name = run.head.run;
    if (run.state.ending != workflow::RunState::Ending::kNone) return settle_child(run, effect);
    request.workflow_id = step.workflow_id;
    request.version = step.workflow_version;
    request.input = effect.input;
    request.correlation_id = run.head.correlation_id.empty() ? name.id : run.head.correlation_id;
    request.depth = run.head.depth + 1;
    request.parent = {name.id, step.id, effect.iteration, effect.attempt};
    if (request.depth > kDepthMax) {
        return fail(run, effect, "LOOP",
                    "workflows begin each other " + std::to_string(kDepthMax) +
                        " deep, which is the limit");
    }
    begin_now(std::move(request), [this, name, effect](core::Result<RunBegun>&& begun) {
        if (begun && !begun->duplicate) return;
        if (begun) {  // at once: it is in memory
            if (const Run* const above = find(name)) settle_child(*above, effect);
            return;
        }
        post([this, name, effect, why = begun.error().message] {
            auto brought = bring(name);
            if (!brought) return;
            fail(**brought, effect, "UNRESOLVED", why);
            let_go(name);
        });
    });
}

// The child may have ended before, and nobody was told. If its parent does not go on, neither does
// it: what has not begun never does.
void Orchestrator::settle_child(const Run& run, const Effect& effect) {
    const bool goes_on = run.state.ending == workflow::RunState::Ending::kNone;
    post([this, name = run.head.run, child = child_of(run, effect), effect, goes_on] {
        const auto there = store_.head(child);
        if (find(child) || (there && there->ended_us == 0)) {
            if (!goes_on) cancel_left(child);
            return;  // it says itself how it ends
        }
        if (there) {
            auto found = look_up(child);
            if (found && (*found)->state.is_final())
                ended(**found);
            else
                tell_parent(*there, nullptr);
            return let_go(child);
        }
        if (goes_on || there.error().code != core::ErrorCode::kNotFound) return;
        auto above = bring(name);
        if (!above) return;
        fail(**above, effect, "CANCELLED", "it was not begun: the run does not go on");
        let_go(name);
    });
}

// The run that the step began is cancelled, when that nobody waits for it is durable. A row in the
// same commit says so, for whoever comes up after a crash in between.
void Orchestrator::leave_child(Run& run, const Effect& effect) {
    const RunName child = child_of(run, effect);
    writer_.rows().put_registry(kRunLeftKind, run_row_id(child), 1, deps_.clock->wall_us(), "{}");
    writer_.when_durable([this, child] { post([this, child] { cancel_left(child); }); });
}

void Orchestrator::cancel_left(const RunName& child) {
    auto brought = bring(child);
    if (!brought && brought.error().code != core::ErrorCode::kNotFound) return;  // the next start
    if (brought) {
        Input input;
        input.kind = InputKind::kCancel;
        input.name = "the run that began it does not go on";
        apply(**brought, std::move(input));
    }
    writer_.open(child).rows().erase_registry(kRunLeftKind, run_row_id(child));
    let_go(child);
}

// Those that the process before this one has left behind.
std::size_t Orchestrator::walk_left() {
    if (left_walked_) return 0;
    auto rows = deps_.database->registry().list(kRunLeftKind, {}, left_walked_to_, kMarksPerTurn);
    if (!rows) return 0;  // again in the next turn; walk_marks() tells of it
    left_walked_ = rows->size() < kMarksPerTurn;
    if (!rows->empty()) left_walked_to_ = rows->back().id;
    for (const store::RegistryDocument& row : *rows) cancel_left(run_of_row(row.id));
    return rows->size();
}

// `output` null: nobody can read it.
void Orchestrator::tell_parent(const RunHead& head, const std::string* output) {
    const RunParent& parent = head.parent;
    if (parent.run_id.empty()) return;
    const RunName above{head.run.tenant, parent.run_id};
    auto brought = bring(above);
    if (!brought) return;
    Run& run = **brought;
    Input input;
    input.kind = InputKind::kStepEnded;
    input.step = run.workflow->definition.find(parent.step);
    input.iteration = parent.iteration;
    input.attempt = parent.attempt;
    if (head.status == workflow::RunStatus::kCompleted && output) {
        input.value = output->empty() ? "null" : *output;
    } else {
        input.outcome = workflow::StepOutcome::kFatal;
        input.code = "WORKFLOW";
        input.error = "run " + head.run.id + " of workflow \"" + head.workflow_id + "\" ended as " +
                      std::string(workflow::run_status_text(head.status));
        if (head.status == workflow::RunStatus::kCompleted)
            input.error += ", and its output can not be read any more";
    }
    if (input.step != workflow::kNoStep) apply(run, std::move(input));
    let_go(above);
}

}  // namespace millrace::runtime
