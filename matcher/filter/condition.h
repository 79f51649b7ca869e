// What: from operator and operands, as any dialect reads them, to a checked condition. Every check
//       of an operand (type, length, wildcard and regex syntax, address blocks) is here, so all
//       dialects agree.
// Threads: pure. Lifetime: none.
// Limits: kOperandBytesMax, kNumberBytesMax, kFilterValuesMax and those of wildcard.h and regex.h.
// Failure: Error{kValidation}; position is the operand's byte in its text; the caller names the
//       field.
#pragma once

#include "core/result.h"
#include "matcher/filter/json_value.h"
#include "matcher/filter/predicate.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

// The operators of the map and list forms: API name, meaning.
#define MILLRACE_FILTER_OPERATORS(X)             \
    X(kEquals, "equals")                         \
    X(kNotEquals, "notEquals")                   \
    X(kGt, "gt")                                 \
    X(kGte, "gte")                               \
    X(kLt, "lt")                                 \
    X(kLte, "lte")                               \
    X(kIn, "in")                                 \
    X(kNotIn, "notIn")                           \
    X(kContains, "contains")                     \
    X(kPrefix, "prefix")                         \
    X(kSuffix, "suffix")                         \
    X(kWildcard, "wildcard")                     \
    X(kRegex, "regex")                           \
    X(kExists, "exists")                         \
    X(kEqualsIgnoreCase, "equalsIgnoreCase")     \
    X(kCidr, "cidr")                             \
    X(kBetween, "between")                       \
    X(kPrefixIgnoreCase, "prefixIgnoreCase")     \
    X(kSuffixIgnoreCase, "suffixIgnoreCase")     \
    X(kContainsIgnoreCase, "containsIgnoreCase") \
    X(kWildcardIgnoreCase, "wildcardIgnoreCase")

enum class FilterOperator : std::uint8_t {
#define X(name, text) name,
    MILLRACE_FILTER_OPERATORS(X)
#undef X
};

// Also reads the usual other spellings (eq, ne, ==, >=, startsWith, matches, ...). False when
// unknown.
bool find_operator(std::string_view name, FilterOperator& out);
// "equals, notEquals, gt, ..." for error messages.
std::string operator_list();

// `path operator operand` of the map and list forms.
core::Result<Predicate> make_condition(const Path& path, FilterOperator op,
                                       const JsonValue& operand);

// A condition over scalars that are read already; folds, checks, canonicalises. `position` is for
// errors.
struct LeafRequest {
    Path path;
    Op op = Op::kEquals;
    bool negated = false;
    std::vector<Scalar> operands;
    std::int64_t position = 0;
};
core::Result<Leaf> make_leaf(LeafRequest request);

// One end or both of a range. Bounds of type kNull are open.
struct RangeRequest {
    Path path;
    Scalar lower;
    Scalar upper;
    bool lower_inclusive = false;
    bool upper_inclusive = false;
    bool negated = false;
    std::int64_t position = 0;
};
core::Result<Leaf> make_range(RangeRequest request);

// JSON scalar to operand; arrays and objects are refused.
core::Result<Scalar> to_scalar(const JsonValue& value);
core::Result<std::vector<Scalar>> to_scalars(const JsonValue& array);

// Error{kValidation} at a position.
core::Error invalid(std::string message, std::int64_t position);
// "expected WHAT, found a number"
core::Error expected(std::string_view what, const JsonValue& found);

}  // namespace millrace::matcher
