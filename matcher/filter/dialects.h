// What: the four outside forms of a filter, one file each, all to the one predicate form.
//         map_filter.cc        {"email": "a@b", "amount": {"gt": 10000}}
//         list_filter.cc       [{"field": "$.payload.amount", "operator": "gt", "value": 1}]
//         expression_parser.cc $.tenantId == '123' && $.amount > 100
//         event_pattern.cc     {"payload": {"amount": [{"numeric": [">", 100]}]}}
// Threads: pure. Lifetime: none.
// Limits: kFilterDepthMax here; the sums over a whole subscription in check_limits().
// Failure: Error{kValidation}: message says what was expected, field begins with `field`, position
//       is a byte of the text that was parsed.
#pragma once

#include "core/result.h"
#include "matcher/filter/json_value.h"
#include "matcher/filter/predicate.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

core::Result<Predicate> parse_map_filter(const JsonValue& filter, const std::string& field);
core::Result<Predicate> parse_list_filter(const JsonValue& filter, const std::string& field);
core::Result<Predicate> parse_event_pattern(const JsonValue& filter, const std::string& field);
// `comparisons`: where two members are compared ($.a >= $.b), which no index knows, goes there and
// stands in the predicate as a leaf that comparison_index() tells from the others; null: it is an
// error. Who asks for them has to answer them: no matcher can.
struct PathComparison {
    Path left;
    std::string_view sign;  // a constant: == != < <= > >=
    Path right;
};
core::Result<Predicate> parse_expression(std::string_view text, const std::string& field,
                                         std::vector<PathComparison>* comparisons = nullptr);
std::optional<std::size_t> comparison_index(const Leaf& leaf);

// Bounds over the whole predicate: conditions, values, alternatives, complexity.
core::Status check_limits(const Predicate& predicate, const PatternPredicate& pattern);

// Alternatives that the predicate multiplies out to, saturating: what kFilterClausesMax bounds.
std::size_t clause_count(const Predicate& predicate);

// What matching one condition may cost, in units of one equality on a decoded value.
std::size_t complexity_of(const Leaf& leaf);
std::size_t complexity_of(const Predicate& predicate);

}  // namespace millrace::matcher
