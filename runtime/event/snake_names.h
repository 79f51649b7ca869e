// What: bodies as older documents write them: members in snake_case (event_type, retry_policy,
//       max_attempts) get the names that the rest of the engine knows. Only the names that are
//       listed for it, at the top and in `retry`, `executor` and `catchUp`; what a client keeps
//       there (filters, queries, payloads) is its own and stays as it is.
//       A handler of those documents ({"event_type","executor_type","configuration",
//       "retry_policy"}) becomes a subscription: configuration is its executor, its type of events
//       the pattern of an event or its metadata.class, retry_policy.strategy the members that mean
//       the same.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: a member that stands there in both spellings is kValidation and names both; a text that
//       is no JSON object comes back as it was, for others to refuse.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

core::Result<std::string> camel_case_body(std::string_view body);

// For bodies that others have read before: what is said twice stays as it is.
std::string with_camel_case_names(std::string_view body);

}  // namespace millrace::runtime
