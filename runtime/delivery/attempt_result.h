// What: how one attempt ended, as its executor tells it. Owns every byte, so that it may be told
//       long after the attempt began, from another thread, when the event's text is gone.
// Threads: one owner at a time. Lifetime: value; reset() keeps the memory for the next use.
// Limits: texts are cut where they are kept (attempt_record.h). Failure: none.
#pragma once

#include "runtime/delivery/delivery.h"
#include "runtime/delivery/effects.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// The kind of those rows; their id is the subscription's number.
inline constexpr std::string_view kExecutorStateKind = "executor_state";

struct AttemptResult {
    AttemptOutcome outcome = AttemptOutcome::kFailed;
    // A static text: completed | failed | silent | fatal | timeout | memory.
    std::string_view outcome_text = "failed";
    std::uint32_t version = 0;        // of what ran: a script's; 0: nothing did
    std::int64_t retry_after_ms = 0;  // what the receiver asked for; 0: it did not
    // The receiver wants no more: nothing of this subscription is delivered until it is resumed.
    bool pauses = false;
    // Nothing has gone well for such a part of the time after which it is paused, since then: told
    // once at each of a few steps. 0: nothing is to be told.
    std::uint32_t failing_percent = 0;
    std::int64_t failing_since_us = 0;
    // What its executor wants to find after the next start, in the commit of the outcome: a row of
    // the subscription. None: as it was; "": it goes.
    std::optional<std::string> kept_state;
    std::string error;
    std::string result_json;  // empty: none
    std::string logs_json;    // a JSON array; empty: none
    AttemptEffects effects;   // taken when the outcome is ok, else dropped

    // By a limit of its own: time or memory.
    bool stopped() const { return outcome_text == "timeout" || outcome_text == "memory"; }
    void fail(std::string_view why, AttemptOutcome how = AttemptOutcome::kFailed) {
        outcome = how;
        outcome_text = how == AttemptOutcome::kFatal    ? "fatal"
                       : how == AttemptOutcome::kSilent ? "silent"
                                                        : "failed";
        error = why;
    }
    void reset() {
        outcome = AttemptOutcome::kFailed;
        outcome_text = "failed";
        version = 0;
        retry_after_ms = 0;
        pauses = false;
        failing_percent = 0;
        failing_since_us = 0;
        kept_state.reset();
        error.clear();
        result_json.clear();
        logs_json.clear();
        effects.reset();
    }
};

}  // namespace millrace::runtime
