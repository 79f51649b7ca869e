// What: the parts of decide() (decide.h), as one class that lives for one input.
// Threads: as decide(). Lifetime: borrows everything; one call.
// Limits: run_state.h. Failure: decide() is false for an input that does not fit.
#pragma once

#include "runtime/workflow/decide.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

class Decider {
public:
    Decider(const Definition& definition, RunState& state, const Input& input,
            std::vector<Effect>& effects)
        : definition_(definition), state_(state), input_(input), effects_(effects) {}
    bool decide();

private:
    const Step& of(StepIndex at) const { return definition_.steps[at]; }
    StepState& state(StepIndex at) { return state_.steps[at]; }
    bool take();

    // ---- inputs
    bool start();
    bool is_current(StepStatus status);
    bool step_began();
    bool step_ended();
    void end_well(StepIndex at, const std::string& output);
    bool time();
    void fell_due(StepIndex at);
    bool event();
    bool signal();
    bool cancel();
    bool terminate();
    bool pause();
    bool resume();
    bool asked();
    bool returned();
    bool lost_branch(StepIndex at) const;
    void begin_anew(StepIndex at);
    void run_again_from(StepIndex from);
    template <typename Reach>
    void reach_behind(StepIndex parallel, Reach&& reach) {
        for (const StepIndex to : of(parallel).next) reach(to);
    }
    void count_arrivals(StepIndex at, const std::vector<bool>& again);
    bool is_taken(StepIndex from, std::size_t edge) const;

    // ---- edges
    struct Arrival {
        StepIndex step;
        bool taken;
    };
    void drain();
    void skip(StepIndex at);
    void arrive(StepIndex to, bool taken);

    // ---- steps
    void begin(StepIndex at);
    void begun(StepIndex at, StepStatus status);
    void prepare(StepIndex at);
    void launch(StepIndex at);
    void judge(StepIndex at);
    void split(StepIndex at);
    void wait(StepIndex at);
    void take_signal(StepIndex at);
    void begin_as_asked(StepIndex at);
    void stop_at(StepIndex at);
    void sleep(StepIndex at);
    void complete(StepIndex at, std::string output);
    void lead_on(StepIndex at);

    // ---- failures
    void fail_step(StepIndex at, bool fatal, const std::string& code, const std::string& error,
                   std::int64_t retry_after_ms = 0);
    void give_up(StepIndex at);
    void fail_run(const std::string& code, const std::string& error);
    bool in_flight(StepIndex at) const;
    void stop_waiting();
    void cancel_step(StepIndex at);
    enum class Running : std::uint8_t { kAbandon, kLeave };
    void cancel_branch(const std::vector<StepIndex>& region, Running running);
    void cancel_region(StepIndex parallel, Running running);

    // ---- parallel steps
    bool settle();
    bool settle_one(StepIndex at);
    std::string branch_outputs(StepIndex at) const;

    // ---- the end
    void check_end();
    core::Result<std::string> run_output();
    void undo_or_finish();
    void next_undo();
    bool start_undo(StepIndex at);
    bool undo_ended();
    void finish(RunStatus status);
    void show_status();
    void warn();

    // ---- effects
    Effect& add(EffectKind kind, StepIndex at);
    void abandon(StepIndex at) { add(EffectKind::kAbandon, at); }
    void tell(std::string_view pattern, StepIndex at = kNoStep);

    const Definition& definition_;
    RunState& state_;
    const Input& input_;
    std::vector<Effect>& effects_;
    std::deque<Arrival> arrivals_;
};

}  // namespace millrace::runtime::workflow
