// What: one turn of a workflow that is a script: what is known of its run goes in, what its code
//       asks for comes out. The code runs from its beginning each time; what has come of its steps
//       is handed to it in the order in which it came, so that it takes the same way again.
// Threads: that of the run. Lifetime: borrows the past; outlives the invocation that it is for.
// Limits: kWorkflowAskedPerTurnMax; those of a run are its keeper's. Failure: End::kDiffers when
//         the code does not take the way that is written down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kWorkflowAskedPerTurnMax = 10'000;
inline constexpr std::size_t kWorkflowNameBytesMax = 100;  // of a step: its id is longer by a count

// What the code of a run has asked for so far, and what has come of it.
class WorkflowPast {
public:
    struct Ended {
        std::uint32_t ask = 0;
        bool ok = true;
        std::string_view value;  // JSON; empty: null
        std::string_view code, message;
        std::int64_t at_us = 0;
        // What the code asked for when it was told of this is written down.
        bool settled = false;
    };
    virtual ~WorkflowPast() = default;
    virtual std::size_t asks() const = 0;
    // Appends what that was, as `step "charge:1"`: the code has to ask for the same again.
    virtual void tell(std::size_t ask, std::string& out) const = 0;
    virtual std::size_t ended() const = 0;
    virtual Ended ended(std::size_t at) const = 0;
};

struct WorkflowTurn {
    enum class Task : std::uint8_t {
        kGoOn,  // as far as what has come allows
        kStep,  // until a step is reached, and that one
        kUndo,  // what makes up for a step
    };
    enum class End : std::uint8_t {
        kWaits,
        kReturned,     // `value`
        kRaised,       // `code`, `message`
        kContinues,    // begins anew with `value` as its input
        kStepDone,     // `value`
        kStepFailed,   // `code`, `message`, `fatal`
        kDiffers,      // `differs_at`, `expected`, `found`
        kOverBounds,   // `message`
        kInterrupted,  // it did not come to an end: the invocation's error says why
    };

    const WorkflowPast* past = nullptr;
    std::string run_id;
    std::string input;  // JSON: wf.input
    std::int64_t started_us = 0;
    std::uint64_t seed = 0;  // of wf.random and wf.uuid
    Task task = Task::kGoOn;
    std::string step;  // kStep, kUndo: its id
    std::uint32_t attempt = 1;
    std::string key;         // what receivers know its repeats by
    std::string undo_input;  // kUndo: {"input","output"?}

    // What came of it.
    End end = End::kInterrupted;
    std::string value;  // JSON
    std::string code, message;
    bool fatal = false;
    std::size_t differs_at = 0;
    std::string expected, found;
    std::vector<std::string> asked;   // JSON objects: runtime/workflow/asked.h
    std::vector<std::uint32_t> left;  // asks that nobody waits for any more

    // While it goes on.
    std::size_t next_ended = 0;
    std::int64_t now_us = 0;
    bool settled = false;
    bool in_step = false;
    std::uint64_t drawn = 0;  // random numbers

    // It begins, or begins again.
    void begin() {
        end = End::kInterrupted;
        value.clear();
        code.clear();
        message.clear();
        fatal = false;
        differs_at = 0;
        expected.clear();
        found.clear();
        asked.clear();
        left.clear();
        next_ended = 0;
        now_us = started_us;
        settled = past && past->asks() != 0;
        in_step = false;
        drawn = 0;
    }
};

// Of one that differs, for people.
inline std::string differs_text(const WorkflowTurn& turn) {
    return "NON_DETERMINISTIC at " + std::to_string(turn.differs_at) + ": expected " +
           turn.expected + ", found " + turn.found;
}

}  // namespace millrace::runtime
