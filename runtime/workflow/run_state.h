// What: a run of a workflow as plain values: what has become of each step, and what the run is made
//       of. It follows from the definition and the run's inputs alone (decide.h), so that it is
//       never stored: whoever needs it plays the journal.
// Threads: one owner. Lifetime: values.
// Limits: kRunBytesMax of inputs and outputs together, kOutputBytesMax of one output,
//       kStepStartsMax steps begun.
// Failure: none here.
#pragma once

#include "runtime/workflow/definition.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

inline constexpr std::size_t kRunBytesMax = 16u << 20;
inline constexpr std::size_t kOutputBytesMax = 1u << 20;
inline constexpr std::uint32_t kStepStartsMax = 10'000;
inline constexpr std::uint32_t kCompensationAttemptsMax = 10;
inline constexpr std::size_t kSignalsMax = 1'000;

enum class RunStatus : std::uint8_t {
    kPending,
    kRunning,
    kWaiting,
    kPaused,
    kCompleted,
    kFailed,
    kCancelled,
    kCompensating,
    kCompensated,
    kCompensationFailed,
};

enum class StepStatus : std::uint8_t {
    kPending,
    kRunning,
    kRetrying,
    kWaiting,
    kCompleted,
    kFailed,
    kSkipped,
    kCancelled,
    kCompensated,
};

enum class Undo : std::uint8_t { kNone, kPending, kRunning, kRetrying, kDone, kFailed };

struct StepState {
    StepStatus status = StepStatus::kPending;
    bool ready = false;           // its turn has come, and the run is paused
    bool soft = false;            // it failed, and the run goes on
    bool undone_too = false;      // its failure asks for compensation
    bool began = false;           // at_most_once: it was started, or is about to be
    std::uint32_t iteration = 1;  // grows when somebody has it done again
    std::uint32_t attempt = 0;    // of the iteration
    std::uint32_t order = 0;      // in which steps began; 0: it has not
    std::uint32_t arrived = 0;    // edges that came, or never will
    std::uint32_t taken = 0;      // of those, the ones that came
    std::int64_t due_us = 0;      // kRetrying, kWaiting: when it goes on by itself; 0: never
    std::int64_t started_us = 0;
    std::int64_t ended_us = 0;
    std::string input;   // JSON, filled in
    std::string output;  // JSON
    std::string place;   // of the event that came: no other wait of a run by code takes it
    std::string error;
    std::string code;  // a word: FAILED, TIMEOUT, INTERRUPTED, LIMIT, TEMPLATE, ...
    Undo undo = Undo::kNone;
    std::uint32_t undo_attempt = 0;
    std::int64_t undo_due_us = 0;
    std::string undo_input;  // JSON

    bool is_final() const { return status >= StepStatus::kCompleted; }
    bool is_active() const {
        return status == StepStatus::kRunning || status == StepStatus::kRetrying ||
               status == StepStatus::kWaiting || ready;
    }
};

struct Signal {
    std::string name;
    std::string payload;  // JSON
};

// What a run is made of.
struct RunSource {
    std::string run_id;
    std::string event;            // the envelope, JSON; empty: no event began it
    std::string input;            // JSON; empty: the event's payload
    std::uint32_t continued = 0;  // how often its code has begun anew
};

struct RunState {
    // How a run that does not go on comes to its end.
    enum class Ending : std::uint8_t { kNone, kFailing, kCancelling };

    RunSource source;
    mutable std::string payload;  // the event's, once somebody has looked for it
    RunStatus status = RunStatus::kPending;
    Ending ending = Ending::kNone;
    bool paused = false;
    bool undo_wanted = false;
    std::vector<StepState> steps;
    std::uint32_t starts = 0;
    std::size_t bytes = 0;        // of inputs and outputs
    bool warned = false;          // of bytes or starts
    std::vector<Signal> signals;  // that nobody has waited for yet
    std::int64_t started_us = 0;
    std::int64_t ended_us = 0;
    std::int64_t due_us = 0;  // of the whole run; 0: none
    std::string output;       // JSON
    std::string error;
    std::string code;
    std::string pause_reason;

    // Of a run whose steps its code asks for.
    bool by_code = false;
    std::vector<StepIndex> ended;  // in the order in which the code is told of them
    // How much of that, its beginning counted too, the code had been told when it asked for what is
    // written down, and has been told at all: that is not written.
    std::size_t settled = 0;
    std::size_t heard = 0;
    bool wants_code() const {
        return by_code && !paused && ending == Ending::kNone && !is_final() &&
               heard < ended.size() + 1;
    }
    // For all that is written down the code does not know of everything that has come.
    bool owes_code() const {
        return by_code && !paused && ending == Ending::kNone && !is_final() &&
               settled < ended.size() + 1;
    }

    bool is_final() const {
        return status == RunStatus::kCompleted || status == RunStatus::kFailed ||
               status == RunStatus::kCancelled || status == RunStatus::kCompensated ||
               status == RunStatus::kCompensationFailed;
    }
    // Something of it is being done: it takes one of the places of runs that are active. A parallel
    // step only holds its branches together, and a run that was begun has a place of its own.
    bool is_busy(const Definition& definition) const;
    bool waits_for_run(const Definition& definition) const;
    // When time alone makes it go on; nothing: never.
    std::optional<std::int64_t> next_due_us() const;
};

std::string_view run_status_text(RunStatus status);
bool parse_run_status(std::string_view text, RunStatus& out);
std::string_view step_status_text(StepStatus status);

}  // namespace millrace::runtime::workflow
