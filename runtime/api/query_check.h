// What: the query of a call: its parameters by the names of the route table, and the refusal of all
//       others. A misspelled parameter that is passed over answers with everything, which looks
//       like an answer to what was asked.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: kValidation that names the parameter and what the call takes.
#pragma once

#include "core/result.h"
#include "runtime/api/routes.h"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

// `query` as sent, without '?'.
core::Status check_query(const Route& route, std::string_view query);

// The decoded value of a parameter: nullopt when absent, "" for `name` and `name=`. A name is taken
// in snake_case too.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// "event_type" is pattern, "script_id" scriptId; what has no '_' stays as it is.
std::string camel_case_name(std::string_view name);

}  // namespace millrace::runtime::api
