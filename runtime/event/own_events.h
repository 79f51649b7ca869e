// What: events system.* are the server's own: what it tells of itself, and what handlers and people
//       trust it for. No client sends one, on no face: events, schedules, scripts, webhooks, links,
//       edges. One rule and one text for all of them.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: kValidation errors that name the member.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kOwnEventsPrefix = "system.";
inline constexpr std::string_view kOwnEventsText =
    "begins with system., and such events are the server's own; give it another name";

inline bool is_own_event(std::string_view pattern) { return pattern.starts_with(kOwnEventsPrefix); }

inline core::Error own_event_refused() {
    return core::Error(core::ErrorCode::kValidation, "pattern " + std::string(kOwnEventsText))
        .in("pattern");
}

}  // namespace millrace::runtime
