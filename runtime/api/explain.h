// What: the explaining half of POST /v2/subscriptions/match: why does a subscription want an event,
//       or not, and which ones fail by a single condition.
// Threads: the API thread. Lifetime: none.
// Limits: kExplainedMax subscriptions are explained in one answer, kNearMissesScannedMax looked at.
// Failure: Errors of the matcher.
#pragma once

#include "core/event.h"
#include "runtime/api/call.h"

#include <cstddef>

namespace millrace::runtime::api {

inline constexpr std::size_t kExplainedMax = 100;
inline constexpr std::size_t kNearMissesMax = 100;
inline constexpr std::size_t kNearMissesScannedMax = 100'000;

// Adds "explain" and "nearMisses" to the open object, as the query parameters ask.
core::Status append_explanations(core::JsonWriter& json, Call& call,
                                 const core::Envelope& envelope);

}  // namespace millrace::runtime::api
