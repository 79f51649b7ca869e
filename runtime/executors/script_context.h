// What: the context that every script gets, whatever has triggered it: which kind of event it is
//       and its own data (eventName, eventData), who has asked (requestUser, apiKey,
//       authenticated), which script this is.
// Threads: a lane's. Lifetime: views of a context point into what it was made of and into `texts`.
// Limits: none. Failure: none.
#pragma once

#include "runtime/delivery/executor.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// Texts that are made for a context; they live as long as it.
struct ContextTexts {
    std::string request_user;
    std::string chain;  // the hooks at work, for the calls that this one makes; empty: none
    std::string loop;   // why it must not run; empty: it may
};

// A call that somebody waits for: API run, endpoint, hook before a change.
InvocationContext context_of_call(const ScriptRunJob& call, const Script& script,
                                  ContextTexts& texts);
// A delivery: any event, one of a schedule for a script of that type, a change for a hook.
InvocationContext context_of_delivery(const AttemptInput& input, const Script& script,
                                      ContextTexts& texts);

}  // namespace millrace::runtime
