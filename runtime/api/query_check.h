// What: refuses query parameters that a list does not know. A misspelled one that is passed over
//       answers with everything, which looks like an answer to what was asked.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: kValidation that names the parameter and what the call takes.
#pragma once

#include "core/result.h"
#include "runtime/api/routes.h"

#include <string_view>

namespace millrace::runtime::api {

// `query` as sent, without '?'. Calls that are no lists take whatever comes: probes and browsers
// put things of their own there.
core::Status check_query(const Route& route, std::string_view query);

}  // namespace millrace::runtime::api
