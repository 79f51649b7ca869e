// What: a subscription as the matcher sees it, and the one door through which the outside forms
//       (map, list, expression, event-shaped) come in.
// Threads: pure; any.
// Lifetime: values.
// Limits: matcher/filter/limits.h.
// Failure: Error{kValidation} with message, field ("filters[2].operator"), byte position in the
//       text of that field where there is one, what was expected, and the broken limit.
#pragma once

#include "core/result.h"
#include "matcher/filter/predicate.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::matcher {

struct SubscriptionSpec {
    PatternPredicate pattern;
    Predicate predicate;  // pattern and predicate must both hold
    std::int32_t priority = 0;

    bool operator==(const SubscriptionSpec&) const = default;
};

// The members of a subscription's JSON that concern matching, each as raw JSON text; empty =
// absent.
struct SubscriptionText {
    std::string_view pattern;   // "invoice.created", "invoice.*" or {"type":...,"value":...}
    std::string_view filters;   // map, list, or event-shaped (with form or an object {"form":...})
    std::string_view filter;    // "expression", a JSON string
    std::string_view form;      // "event-pattern" | "map" | "list", a JSON string
    std::string_view priority;  // a JSON number
};

core::Result<SubscriptionSpec> parse_subscription(const SubscriptionText& text);

// One JSON object holding those members; others are ignored.
core::Result<SubscriptionSpec> parse_subscription_json(std::string_view json);

// The `filter=` of queries: text that begins with { or [ is a map or list, all else an expression.
core::Result<Predicate> parse_any_filter(std::string_view text);

// A filter in the expression form; parsing it gives the same predicate again.
std::string to_text(const Predicate& predicate);
std::string to_text(const Leaf& leaf);
std::string to_text(const Path& path);  // "$.payload.items[*].sku"

}  // namespace millrace::matcher
