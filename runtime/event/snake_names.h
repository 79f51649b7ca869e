// What: bodies as older documents write them: members in snake_case (event_type, retry_policy,
//       max_attempts) get the names that the rest of the engine knows. Only the names that are
//       listed for it, at the top and in `retry` and `executor`; what a client keeps there
//       (filters, queries, payloads) is its own and stays as it is.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: none: a text that is no JSON object comes back as it was, for others to refuse.
#pragma once

#include <string>
#include <string_view>

namespace millrace::runtime {

std::string with_camel_case_names(std::string_view body);

}  // namespace millrace::runtime
