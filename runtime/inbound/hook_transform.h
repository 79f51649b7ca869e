// What: what a source's transform script makes of its event: the members it returns stand in the
//       place of the event's own. eventId, source and x-webhook stay, so that a redelivery is a
//       duplicate whatever the script does.
// Threads: pure. Lifetime: the answer owns its bytes.
// Limits: those of the envelope. Failure: kValidation: it returned no table, or a member that a
//       transform can not set.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>

namespace millrace::runtime::inbound {

// Empty: nil or false was returned, and the webhook is left out.
core::Result<std::string> transformed_event(std::string_view event, std::string_view result);

}  // namespace millrace::runtime::inbound
