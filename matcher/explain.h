// What: why a subscription matches an event or does not: its conditions one by one, with the value
//       seen, the verdict and, where it fails, a hint (absent, but there is one elsewhere; another
//       type; differs in case; ...). For people, not for the event path.
// Threads: one at a time. Lifetime: values; the event is borrowed for the call.
// Limits: kSeenValuesMax values of kSeenBytesMax bytes are shown of one condition;
//         groups are taken apart 16 levels deep.
// Failure: what ReferenceMatcher::compile() refuses.
#pragma once

#include "core/result.h"
#include "matcher/filter/json_value.h"
#include "matcher/subscription_spec.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::matcher {

inline constexpr std::size_t kSeenValuesMax = 8;
inline constexpr std::size_t kSeenBytesMax = 256;

struct ConditionReport {
    std::string condition;               // in the expression form
    std::string path;                    // of a single condition; empty for groups
    std::vector<std::string> seen;       // JSON texts of the values at the path, shortened
    std::size_t seen_count = 0;          // how many there are
    bool holds = false;                  // taken alone
    std::string hint;                    // empty when it holds or nothing helpful is known
    std::vector<ConditionReport> parts;  // of `or`, `and`, `not`
};

struct Explanation {
    bool matches = false;
    // The conditions that must all hold, the pattern's first.
    std::vector<ConditionReport> conditions;
    std::size_t failed = 0;
    // Every condition holds alone, but not in one and the same element of an array.
    bool only_in_different_elements = false;

    // Exactly one thing stands between this event and the subscription.
    bool near_miss() const { return !matches && failed + only_in_different_elements == 1; }
};

core::Result<Explanation> explain(const SubscriptionSpec& spec, const JsonValue& event);

// explain(...).near_miss() without the report, for going through many subscriptions: conditions
// that are costly to make ready (regular expressions) are looked at last, and not at all after two
// failures.
core::Result<bool> is_near_miss(const SubscriptionSpec& spec, const JsonValue& event);

// {"matches","nearMiss","failed","conditions":[CONDITION],"hint"?}, where CONDITION is
// {"condition","path"?,"seen"?,"seenCount"?,"holds","hint"?,"parts"?:[CONDITION]}
std::string to_json(const Explanation& explanation);

// What must all hold: the pattern first (unless it is kTrue), then what the predicate joins.
// Borrows both.
std::vector<const Predicate*> conjuncts_of(const Predicate& pattern, const Predicate& predicate);

// The values at a path as filters see it: arrays on the way are passed through, arrays at the end
// give their elements. `nodes` gets the places themselves (objects and empty arrays too) when not
// null.
std::vector<const JsonValue*> values_at(const Path& path, const JsonValue& event,
                                        std::vector<const JsonValue*>* nodes = nullptr);

}  // namespace millrace::matcher
