#include "runtime/workflow/decide.h"

#include "core/duration.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/workflow/condition.h"
#include "runtime/workflow/run_data.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

using Ending = RunState::Ending;

constexpr std::int64_t kRetryAfterMsMax = 2LL * 3'600'000;
constexpr RetryRule kUndoRetry{RetryStrategy::kExponential, kCompensationAttemptsMax, 1'000, 60'000,
                               2};

class Decider {
public:
    Decider(const Definition& definition, RunState& state, const Input& input,
            std::vector<Effect>& effects)
        : definition_(definition), state_(state), input_(input), effects_(effects) {}

    bool decide() {
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

private:
    const Step& of(StepIndex at) const { return definition_.steps[at]; }
    StepState& state(StepIndex at) { return state_.steps[at]; }

    bool take() {
        if (input_.kind == InputKind::kStart) return start();
        if (state_.steps.empty() || state_.is_final()) return false;
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
            default: return false;
        }
    }

    // ---- inputs

    bool start() {
        if (!state_.steps.empty()) return false;
        state_.source = input_.source;
        state_.steps.resize(definition_.steps.size());
        state_.started_us = input_.at_us;
        state_.bytes = state_.source.event.size() + state_.source.input.size();
        if (definition_.timeout_ms > 0)
            state_.due_us = input_.at_us + definition_.timeout_ms * 1000;
        state_.status = RunStatus::kRunning;
        tell("workflow.started");
        if (state_.bytes > kRunBytesMax) {
            fail_run("LIMIT",
                     "the run's input is longer than " + std::to_string(kRunBytesMax) + " bytes");
        } else {
            arrivals_.push_back({0, true});
        }
        return true;
    }

    bool is_current(StepStatus status) {
        return input_.step != kNoStep && state(input_.step).status == status &&
               state(input_.step).iteration == input_.iteration;
    }

    bool step_began() {
        if (!is_current(StepStatus::kRunning) || state(input_.step).began) return false;
        state(input_.step).began = true;
        return true;
    }

    bool step_ended() {
        if (!is_current(StepStatus::kRunning) || state(input_.step).attempt != input_.attempt)
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
    void end_well(StepIndex at, const std::string& output) {
        if (output.size() > kOutputBytesMax) {
            return fail_step(at, true, "LIMIT",
                             "an output of " + std::to_string(output.size()) +
                                 " bytes; the limit is " + std::to_string(kOutputBytesMax));
        }
        if (state_.bytes + output.size() > kRunBytesMax) {
            return fail_step(at, true, "LIMIT",
                             "inputs and outputs of the run are longer than " +
                                 std::to_string(kRunBytesMax) + " bytes");
        }
        complete(at, output == "null" ? std::string() : output);
    }

    bool time() {
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

    void fell_due(StepIndex at) {
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

    bool event() {
        if (!is_current(StepStatus::kWaiting) || of(input_.step).type != StepType::kWait)
            return false;
        abandon(input_.step);
        end_well(input_.step, input_.value);
        return true;
    }

    bool signal() {
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

    bool cancel() {
        if (state_.ending != Ending::kNone) return false;
        state_.ending = Ending::kCancelling;
        state_.code = "CANCELLED";
        state_.error = input_.name.empty() ? "cancelled" : input_.name;
        stop_waiting();
        return true;
    }

    bool terminate() {
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

    bool pause() {
        if (state_.paused || state_.ending != Ending::kNone) return false;
        state_.paused = true;
        state_.pause_reason = input_.name;
        return true;
    }

    bool resume() {
        if (!state_.paused || state_.ending != Ending::kNone) return false;
        if (input_.step != kNoStep && state(input_.step).order == 0) return false;
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
    bool lost_branch(StepIndex at) const {
        for (StepIndex p = of(at).parent; p != kNoStep; p = of(p).parent) {
            if (state_.steps[p].is_final()) return true;
            if (of(p).branches_wanted < of(p).branches.size()) return true;
        }
        return false;
    }

    void begin_anew(StepIndex at) {
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
    void run_again_from(StepIndex from) {
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

    template <typename Reach>
    void reach_behind(StepIndex parallel, Reach&& reach) {
        for (const StepIndex to : of(parallel).next) reach(to);
    }

    void count_arrivals(StepIndex at, const std::vector<bool>& again) {
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

    bool is_taken(StepIndex from, std::size_t edge) const {
        const StepState& step = state_.steps[from];
        const bool ended = step.status == StepStatus::kCompleted ||
                           (step.status == StepStatus::kFailed && step.soft);
        if (!ended) return false;
        if (of(from).type != StepType::kCondition) return true;
        return step.output == (edge == 0 ? "true" : "false");
    }

    // ---- edges

    struct Arrival {
        StepIndex step;
        bool taken;
    };

    void drain() {
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
    void skip(StepIndex at) {
        state(at).status = StepStatus::kSkipped;
        for (const auto& region : of(at).regions) {
            for (const StepIndex inside : region) state(inside).status = StepStatus::kSkipped;
        }
        for (const StepIndex to : of(at).next) arrive(to, false);
    }

    void arrive(StepIndex to, bool taken) {
        if (to != kNoStep) arrivals_.push_back({to, taken});
    }

    // ---- steps

    void begin(StepIndex at) {
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
        switch (of(at).type) {
            case StepType::kCondition: return judge(at);
            case StepType::kParallel: return split(at);
            case StepType::kWait: return wait(at);
            case StepType::kSleep: return sleep(at);
            case StepType::kAction:
            case StepType::kWorkflow: return prepare(at);
        }
    }

    void begun(StepIndex at, StepStatus status) {
        state(at).status = status;
        state(at).order = state_.starts;
        if (of(at).timeout_ms > 0) state(at).due_us = input_.at_us + of(at).timeout_ms * 1000;
    }

    void prepare(StepIndex at) {
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

    void launch(StepIndex at) {
        const std::uint32_t order = state(at).order;
        begun(at, StepStatus::kRunning);
        if (order != 0) state(at).order = order;
        const StepState& step = state(at);
        Effect& effect =
            add(of(at).type == StepType::kWorkflow ? EffectKind::kChild : EffectKind::kStart, at);
        effect.input = step.input;
    }

    void judge(StepIndex at) {
        RunData data(definition_, state_);
        begun(at, StepStatus::kRunning);
        auto filter = fill_templates(of(at).conditions, data);
        if (!filter) return fail_step(at, true, "TEMPLATE", filter.error().message);
        auto truth = holds(*filter, data.filter_payload());
        if (!truth) return fail_step(at, true, "CONDITION", truth.error().message);
        complete(at, *truth ? "true" : "false");
    }

    void split(StepIndex at) {
        begun(at, StepStatus::kRunning);
        for (const StepIndex branch : of(at).branches) arrive(branch, true);
    }

    void wait(StepIndex at) {
        begun(at, StepStatus::kWaiting);
        if (of(at).event.empty()) {
            for (std::size_t i = 0; i < state_.signals.size(); ++i) {
                if (state_.signals[i].name != of(at).signal) continue;
                const std::string payload = std::move(state_.signals[i].payload);
                state_.signals.erase(state_.signals.begin() + static_cast<std::ptrdiff_t>(i));
                state_.bytes -= std::min(state_.bytes, payload.size());
                return end_well(at, payload);
            }
            return;
        }
        RunData data(definition_, state_);
        auto match = fill_templates(of(at).match, data);
        if (!match) return fail_step(at, true, "TEMPLATE", match.error().message);
        state(at).input = std::move(*match);
        add(EffectKind::kWait, at).input = state(at).input;
    }

    void sleep(StepIndex at) {
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

    void complete(StepIndex at, std::string output) {
        StepState& step = state(at);
        step.status = StepStatus::kCompleted;
        step.ended_us = input_.at_us;
        step.due_us = 0;
        state_.bytes += output.size();
        step.output = std::move(output);
        step.error.clear();
        step.code.clear();
        tell("workflow.step.completed", at);
        lead_on(at);
    }

    void lead_on(StepIndex at) {
        for (std::size_t edge = 0; edge < of(at).next.size(); ++edge)
            arrive(of(at).next[edge], is_taken(at, edge));
    }

    // ---- failures

    void fail_step(StepIndex at, bool fatal, const std::string& code, const std::string& error,
                   std::int64_t retry_after_ms = 0) {
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

    void give_up(StepIndex at) {
        StepState& step = state(at);
        step.status = StepStatus::kFailed;
        step.ended_us = input_.at_us;
        tell("workflow.step.failed", at);
        if (state_.ending != Ending::kNone) return;
        if (of(at).on_failure == OnFailure::kContinue) {
            step.soft = true;
            return lead_on(at);
        }
        step.undone_too = of(at).on_failure == OnFailure::kCompensate;
        if (definition_.on_failure == OnRunFailure::kPause && !step.undone_too &&
            !lost_branch(at)) {
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

    void fail_run(const std::string& code, const std::string& error) {
        if (state_.ending != Ending::kNone) return;
        state_.ending = Ending::kFailing;
        state_.code = code;
        state_.error = error;
        state_.undo_wanted |= definition_.on_failure == OnRunFailure::kCompensate;
        stop_waiting();
    }

    bool in_flight(StepIndex at) const {
        return state_.steps[at].status == StepStatus::kRunning &&
               (of(at).type == StepType::kAction || of(at).type == StepType::kWorkflow);
    }

    // What has begun outside ends by itself; all else does not go on.
    void stop_waiting() {
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

    void cancel_step(StepIndex at) {
        StepState& step = state(at);
        if (step.is_final()) return;
        if (step.status == StepStatus::kWaiting || in_flight(at)) abandon(at);
        step.status = StepStatus::kCancelled;
        step.ready = false;
        step.due_us = 0;
        step.ended_us = input_.at_us;
    }

    enum class Running : std::uint8_t { kAbandon, kLeave };
    void cancel_branch(const std::vector<StepIndex>& region, Running running) {
        for (const StepIndex inside : region) {
            if (running == Running::kLeave && in_flight(inside)) continue;
            cancel_step(inside);
        }
    }
    void cancel_region(StepIndex parallel, Running running) {
        for (const auto& region : of(parallel).regions) cancel_branch(region, running);
    }

    // ---- parallel steps

    bool settle() {
        if (state_.ending != Ending::kNone) return false;
        bool changed = false;
        // Inner ones stand behind outer ones as a rule; whichever changes, all are asked again.
        for (StepIndex i = 0; i < state_.steps.size() && state_.ending == Ending::kNone; ++i) {
            if (of(i).type == StepType::kParallel && state(i).status == StepStatus::kRunning)
                changed |= settle_one(i);
        }
        return changed && state_.ending == Ending::kNone;
    }

    bool settle_one(StepIndex at) {
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
    std::string branch_outputs(StepIndex at) const {
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

    // ---- the end

    void check_end() {
        if (state_.is_final() || state_.status == RunStatus::kCompensating) return;
        bool active = false;
        bool flying = false;
        for (StepIndex i = 0; i < state_.steps.size(); ++i) {
            active |= state(i).is_active();
            flying |= in_flight(i);
        }
        if (state_.ending != Ending::kNone) {
            if (!flying) undo_or_finish();
        } else if (!active && !state_.paused) {
            auto output = run_output();
            if (!output) {
                fail_run("TEMPLATE", "output: " + output.error().message);
                return undo_or_finish();
            }
            state_.output = std::move(*output);
            finish(RunStatus::kCompleted);
        }
    }

    core::Result<std::string> run_output() {
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

    void undo_or_finish() {
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
    void next_undo() {
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

    bool start_undo(StepIndex at) {
        StepState& step = state(at);
        std::string made;
        if (of(at).compensate_input.empty()) {
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

    bool undo_ended() {
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

    void finish(RunStatus status) {
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

    void show_status() {
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

    void warn() {
        if (state_.warned) return;
        const bool bytes = state_.bytes > kRunBytesMax / 5 * 4;
        const bool starts = state_.starts > kStepStartsMax / 5 * 4;
        if (!bytes && !starts) return;
        state_.warned = true;
        Effect& effect = add(EffectKind::kWarn, kNoStep);
        effect.code = bytes ? "bytes" : "steps";
    }

    // ---- effects

    Effect& add(EffectKind kind, StepIndex at) {
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
    void abandon(StepIndex at) { add(EffectKind::kAbandon, at); }
    void tell(std::string_view pattern, StepIndex at = kNoStep) {
        Effect& effect = add(EffectKind::kTell, at);
        effect.pattern = pattern;
        effect.code = at == kNoStep ? state_.code : state(at).code;
    }

    const Definition& definition_;
    RunState& state_;
    const Input& input_;
    std::vector<Effect>& effects_;
    std::deque<Arrival> arrivals_;
};

}  // namespace

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
