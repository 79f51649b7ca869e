// What: the events by which the server tells of deliveries to the outside:
//       webhook.delivery.succeeded|failed|exhausted|failing|paused,
//       command.succeeded|failed|exhausted. "failing" tells at 50, 70, 90 and 100 % of the time for
//       which a receiver may fail before its subscription is paused.
//       They are in the outcome's own commit. Only subscriptions whose pattern begins so get them,
//       and a delivery of such an event makes no further one.
// Threads: pure functions. Lifetime: values. Limits: those of an emitted event. Failure: none.
#pragma once

#include "matcher/filter/predicate.h"
#include "runtime/delivery/event_texts.h"
#include "runtime/delivery/outcome_writer.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// What the server tells of runs of workflows.
inline bool is_workflow_event(std::string_view pattern) {
    if (!pattern.starts_with("workflow.")) return false;
    pattern.remove_prefix(9);
    if (pattern.starts_with("step.")) pattern.remove_prefix(5);
    for (const char* word :
         {"started", "completed", "failed", "cancelled", "compensated", "timeout", "retrying"}) {
        if (pattern == word) return true;
    }
    return false;
}

// An event of this pattern is one of these, or of those about deliveries.
inline bool is_delivery_event(std::string_view pattern) {
    if (pattern.empty() || (pattern[0] != 'w' && pattern[0] != 'c')) [[likely]]
        return false;
    return pattern.starts_with("webhook.delivery.") || pattern == "command.succeeded" ||
           pattern == "command.failed" || pattern == "command.exhausted" ||
           is_workflow_event(pattern);
}
bool asks_for_delivery_events(const matcher::PatternPredicate& pattern);

// Appends what is to be told of one attempt, a line each. Returns how many.
std::size_t append_delivery_events(const Attempt& attempt, const WrittenOutcome& written,
                                   EventTexts& texts, std::string& out);

}  // namespace millrace::runtime
