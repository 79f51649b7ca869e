// What: what a change of a schema breaks. Backward: something that fitted the old one does not fit
//       the new one; forward: something that fits the new one did not fit the old one. It is told
//       by the keywords that people change: types, required members, enums, bounds, closed objects,
//       through properties and items. A member that only one of them describes breaks nothing: in
//       an open model it could stand there before.
// Threads: pure. Lifetime: none.
// Limits: kBreaksMax are told, kSchemaDepthMax levels are looked at.
// Failure: none; what it can not see it does not tell.
#pragma once

#include "core/json_dom.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kBreaksMax = 10;

// What fits `before` and may not fit `after`, in words: "/amount: is required now".
std::vector<std::string> narrowed(core::JsonElement before, core::JsonElement after);

}  // namespace millrace::runtime::schema
