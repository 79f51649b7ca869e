// What: the sentence that says why a condition does not hold, where there is something to say.
// Threads: pure. Lifetime: none.
// Limits: looks at kHintNodesMax places of the event at most.
// Failure: an empty text when nothing is known.
#pragma once

#include "matcher/filter/json_value.h"
#include "matcher/filter/predicate.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::matcher {

inline constexpr std::size_t kHintNodesMax = 20'000;

// `nodes` and `values` are what values_at() found for the leaf's path.
std::string hint_for(const Leaf& leaf, const JsonValue& event,
                     const std::vector<const JsonValue*>& nodes,
                     const std::vector<const JsonValue*>& values);

}  // namespace millrace::matcher
