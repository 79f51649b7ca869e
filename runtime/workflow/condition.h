// What: whether a filter holds for the data of a run: the filters of subscriptions, with the same
//       operators, looked up in `data` (a bare `inventory.available`), or in steps, event and input
//       by those names. Templates in it are filled in before.
// Threads: pure. Lifetime: none. Limits: those of filters (matcher/filter/limits.h).
// Failure: kValidation of a filter that is none.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>

namespace millrace::runtime::workflow {

// `filter`: a list of conditions, a map or a text (an expression), as JSON. `payload`: the object
// that names are looked up in.
core::Result<bool> holds(std::string_view filter, std::string_view payload);

// Whether it can be read, whatever its templates turn out to be.
core::Status check_filter(std::string_view filter);

}  // namespace millrace::runtime::workflow
