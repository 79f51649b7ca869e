// What: the definition of a match, word for word: there is a choice of one element for every array
//       (and one member for every object that a wildcard passes) under which the predicate is true;
//       `not` is true when no choice makes its inside true. Tries every choice: checks the
//       reference matcher.
// Threads: pure. Lifetime: borrows both. Limits: kChoicesMax choices. Failure: nothing beyond the
//       limit.
#pragma once

#include "matcher/filter/json_value.h"
#include "matcher/subscription_spec.h"

#include <optional>

namespace millrace::testing {

inline constexpr std::size_t kChoicesMax = 2'000;

std::optional<bool> brute_force_matches(const matcher::SubscriptionSpec& spec,
                                        const matcher::JsonValue& event);

}  // namespace millrace::testing
