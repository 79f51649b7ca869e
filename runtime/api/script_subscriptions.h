// What: the subscriptions that an endpoint's script has asked for (sdk.events.subscribe): the
//       script gets those events from then on.
// Threads: the API thread. Lifetime: none. Limits: those of subscriptions.
// Failure: what the table refuses; one that is there already is left as it is.
#pragma once

#include "runtime/api/services.h"

#include <span>
#include <string>

namespace millrace::runtime::api {

core::Status make_script_subscriptions(Services& services, const identity::Principal& caller,
                                       const Script& script, std::span<const std::string> bodies);

}  // namespace millrace::runtime::api
