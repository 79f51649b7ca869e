// What: how a run goes on, as one pure function: state and what happened in, state and what is to
//       be done out. It reads no clock, draws no number and keeps nothing: the same inputs give the
//       same state, so that the journal of inputs is all that is stored of a run.
// Threads: any; one owner of a state. Lifetime: borrows the definition.
// Limits: run_state.h.
// Failure: an input that does not fit (a step that has ended, of another iteration) changes
//       nothing: decide() is false, and it is not to be kept.
#pragma once

#include "runtime/workflow/run_state.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

// What the journal keeps says these by their texts (journal.cc): none may change its meaning.
enum class InputKind : std::uint8_t {
    kStart,
    kStepBegan,  // of one that may be started once at most: before it is
    kStepEnded,
    kUndoEnded,
    kTime,   // what is due by `at_us` goes on
    kEvent,  // that a step waited for
    kSignal,
    kCancel,
    kTerminate,
    kPause,
    kResume,
    kAsked,     // the code of a run wants steps (asked.h)
    kReturned,  // it has come to its end, well or not
};

enum class StepOutcome : std::uint8_t { kOk, kFailed, kFatal };

struct Input {
    InputKind kind = InputKind::kStart;
    std::int64_t at_us = 0;
    std::uint32_t spread = 0;     // thousandths, for delays
    StepIndex step = kNoStep;     // kResume: from which one on
    std::uint32_t iteration = 0;  // kStepBegan, kStepEnded, kUndoEnded
    std::uint32_t attempt = 0;    // likewise
    StepOutcome outcome = StepOutcome::kOk;
    std::int64_t retry_after_ms = 0;
    std::string name;    // kSignal; kPause, kCancel, kTerminate: why
    std::string value;   // JSON: the output, the event, the signal's payload, the run's input
    std::string error;   // kStepEnded, kUndoEnded
    std::string code;    // likewise
    RunSource source{};  // kStart
};

enum class EffectKind : std::uint8_t {
    kStart,    // the action of a step
    kUndo,     // its compensation
    kChild,    // another workflow
    kWait,     // for an event
    kAbandon,  // nobody waits for the step any more
    kTell,     // an event about the run
    kWarn,     // of a limit: 80 % of it
};

struct Effect {
    EffectKind kind = EffectKind::kStart;
    StepIndex step = kNoStep;
    std::uint32_t iteration = 0;
    std::uint32_t attempt = 0;
    std::string input;         // JSON; kWait: the filter, filled in
    std::string_view pattern;  // kTell: "workflow.started"; static
    std::string code;          // kTell: of a failure; kWarn: which limit
    std::int64_t at_us = 0;
};

bool decide(const Definition& definition, RunState& state, const Input& input,
            std::vector<Effect>& effects);

// What is under way, once more: after a start nobody knows of it but the journal.
void resume_effects(const Definition& definition, const RunState& state,
                    std::vector<Effect>& effects);

}  // namespace millrace::runtime::workflow
