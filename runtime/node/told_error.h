// What: an error body of the API (io/error_body.h) as the Error that it was made of, for faces of a
//       front that tell errors in other words.
// Threads: pure. Lifetime: values. Limits: none. Failure: what does not read is kInternal.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"

#include <string_view>

namespace millrace::runtime::node {

// {"message","code","details"}; of a stream's end without details.
core::Error read_told_error(const core::JsonElement& error);
// {"success":false,"error":{...}}
core::Error read_error_body(std::string_view body);
// Whether it says that what was sent may have been taken.
bool says_maybe_taken(std::string_view body);

}  // namespace millrace::runtime::node
