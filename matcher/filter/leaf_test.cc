#include "matcher/filter/leaf_test.h"

#include "matcher/filter/case_fold.h"

#include <algorithm>

namespace millrace::matcher {
namespace {

using core::ErrorCode;

NumberView number_of(const JsonValue& value) {
    NumberView view;
    parse_number(value.text, view);
    return view;
}

bool ignores_case(Op op) {
    return op == Op::kEqualsIgnoreCase || op == Op::kPrefixIgnoreCase ||
           op == Op::kSuffixIgnoreCase || op == Op::kContainsIgnoreCase ||
           op == Op::kWildcardIgnoreCase;
}

}  // namespace

bool scalar_equals(const JsonValue& value, const Scalar& operand) {
    switch (operand.type) {
        case Scalar::Type::kNull: return value.type == JsonValue::Type::kNull;
        case Scalar::Type::kFalse: return value.type == JsonValue::Type::kFalse;
        case Scalar::Type::kTrue: return value.type == JsonValue::Type::kTrue;
        case Scalar::Type::kString: return value.is_string() && value.text == operand.text;
        case Scalar::Type::kNumber:
            return value.is_number() && compare(number_of(value), operand.number_view()) == 0;
    }
    return false;
}

core::Result<LeafTest> LeafTest::compile(const Leaf& leaf) {
    LeafTest test;
    test.leaf_ = leaf;
    for (const Scalar& operand : leaf.operands) {
        if (leaf.op == Op::kWildcard || leaf.op == Op::kWildcardIgnoreCase) {
            auto wildcard = parse_wildcard(operand.text);
            if (!wildcard) return core::fail(std::move(wildcard.error()));
            test.wildcards_.push_back(std::move(*wildcard));
        } else if (leaf.op == Op::kRegex) {
            auto regex = Regex::compile(operand.text);
            if (!regex) return core::fail(std::move(regex.error()));
            test.regexes_.push_back(std::move(*regex));
        } else if (leaf.op == Op::kCidr) {
            CidrBlock block;
            if (!parse_cidr(operand.text, block)) {
                return core::fail(ErrorCode::kValidation,
                                  "cidr: expected an address block like 10.0.0.0/8");
            }
            test.blocks_.push_back(block);
        }
    }
    return test;
}

bool LeafTest::holds_for(const JsonValue& value) const {
    return any_operand(value) != leaf_.negated;
}

bool LeafTest::any_operand(const JsonValue& value) const {
    switch (leaf_.op) {
        case Op::kExists:
        case Op::kExistsLeaf: return true;
        case Op::kRange: return in_range(value);
        case Op::kEquals:
            return std::any_of(
                leaf_.operands.begin(), leaf_.operands.end(),
                [&](const Scalar& operand) { return scalar_equals(value, operand); });
        default: break;
    }
    if (!value.is_string()) return false;
    return ignores_case(leaf_.op) ? text_holds(folded(value.text)) : text_holds(value.text);
}

bool LeafTest::text_holds(std::string_view text) const {
    const auto any = [&](const auto& list, auto test) {
        return std::any_of(list.begin(), list.end(), test);
    };
    switch (leaf_.op) {
        case Op::kEqualsIgnoreCase:
            return any(leaf_.operands, [&](const Scalar& o) { return text == o.text; });
        case Op::kPrefix:
        case Op::kPrefixIgnoreCase:
            return any(leaf_.operands, [&](const Scalar& o) { return text.starts_with(o.text); });
        case Op::kSuffix:
        case Op::kSuffixIgnoreCase:
            return any(leaf_.operands, [&](const Scalar& o) { return text.ends_with(o.text); });
        case Op::kContains:
        case Op::kContainsIgnoreCase:
            return any(leaf_.operands, [&](const Scalar& o) {
                return text.find(o.text) != std::string_view::npos;
            });
        case Op::kWildcard:
        case Op::kWildcardIgnoreCase:
            return any(wildcards_, [&](const Wildcard& w) { return w.matches(text); });
        case Op::kRegex: return any(regexes_, [&](const Regex& r) { return r.found_in(text); });
        case Op::kCidr: {
            IpAddress ip;
            return parse_ip(text, ip) &&
                   any(blocks_, [&](const CidrBlock& b) { return b.contains(ip); });
        }
        default: return false;
    }
}

bool LeafTest::in_range(const JsonValue& value) const {
    const auto ordered = [&](const Scalar& bound, bool is_lower, bool inclusive) {
        if (bound.type == Scalar::Type::kNull) return true;
        std::strong_ordering order = std::strong_ordering::equal;
        if (bound.is_number() && value.is_number()) {
            order = compare(number_of(value), bound.number_view());
        } else if (bound.is_string() && value.is_string()) {
            order = value.text.compare(bound.text) <=> 0;
        } else {
            return false;
        }
        if (order == 0) return inclusive;
        return is_lower ? order > 0 : order < 0;
    };
    return ordered(leaf_.operands[0], true, leaf_.lower_inclusive) &&
           ordered(leaf_.operands[1], false, leaf_.upper_inclusive);
}

}  // namespace millrace::matcher
