// What: one condition made ready to be asked about one scalar at a time. The slow, plain way: the
//       reference matcher and explain use it.
// Threads: one at a time (regular expressions own scratch). Lifetime: owns everything.
// Limits: those of the leaf. Failure: compile() refuses what the operands' own parsers refuse.
#pragma once

#include "core/result.h"
#include "matcher/filter/cidr.h"
#include "matcher/filter/json_value.h"
#include "matcher/filter/predicate.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex.h"

#include <string_view>
#include <vector>

namespace millrace::matcher {

class LeafTest {
public:
    static core::Result<LeafTest> compile(const Leaf& leaf);

    const Leaf& leaf() const { return leaf_; }
    // `value` is a scalar; negation included.
    bool holds_for(const JsonValue& value) const;

private:
    LeafTest() = default;
    bool any_operand(const JsonValue& value) const;
    bool text_holds(std::string_view text) const;
    bool in_range(const JsonValue& value) const;

    Leaf leaf_;
    std::vector<Wildcard> wildcards_;
    std::vector<Regex> regexes_;
    std::vector<CidrBlock> blocks_;
};

bool scalar_equals(const JsonValue& value, const Scalar& operand);

}  // namespace millrace::matcher
