#include "matcher/filter/condition.h"

#include "matcher/filter/case_fold.h"
#include "matcher/filter/cidr.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex.h"

#include <algorithm>
#include <utility>

namespace millrace::matcher {
namespace {

struct OperatorName {
    std::string_view text;
    FilterOperator op;
};

constexpr OperatorName kOperators[] = {
#define X(name, text) {text, FilterOperator::name},
    MILLRACE_FILTER_OPERATORS(X)
#undef X
};

constexpr OperatorName kAliases[] = {
    {"eq", FilterOperator::kEquals},
    {"==", FilterOperator::kEquals},
    {"ne", FilterOperator::kNotEquals},
    {"!=", FilterOperator::kNotEquals},
    {">", FilterOperator::kGt},
    {">=", FilterOperator::kGte},
    {"<", FilterOperator::kLt},
    {"<=", FilterOperator::kLte},
    {"startsWith", FilterOperator::kPrefix},
    {"endsWith", FilterOperator::kSuffix},
    {"matches", FilterOperator::kRegex},
    {"like", FilterOperator::kWildcard},
};

std::size_t operand_limit(Op op) {
    if (op == Op::kRegex) return kRegexBytesMax;
    if (op == Op::kWildcard || op == Op::kWildcardIgnoreCase) return kWildcardBytesMax;
    return kOperandBytesMax;
}

bool folds_case(Op op) {
    return op == Op::kEqualsIgnoreCase || op == Op::kPrefixIgnoreCase ||
           op == Op::kSuffixIgnoreCase || op == Op::kContainsIgnoreCase ||
           op == Op::kWildcardIgnoreCase;
}

core::Status check_string(Op op, Scalar& operand) {
    if (operand.text.size() > operand_limit(op)) {
        return core::fail(invalid("a text of " + std::to_string(operand.text.size()) +
                                      " bytes exceeds the limit of " +
                                      std::to_string(operand_limit(op)),
                                  core::Error::kNoPosition)
                              .bound(static_cast<std::int64_t>(operand_limit(op))));
    }
    if (folds_case(op)) operand.text = folded(operand.text);
    if (op == Op::kWildcard || op == Op::kWildcardIgnoreCase) {
        if (auto parsed = parse_wildcard(operand.text); !parsed)
            return core::fail(std::move(parsed.error()));
    }
    if (op == Op::kRegex) {
        if (auto compiled = Regex::compile(operand.text); !compiled) {
            return core::fail(std::move(compiled.error()));
        }
    }
    CidrBlock block;
    if (op == Op::kCidr && !parse_cidr(operand.text, block)) {
        return core::fail(
            invalid("expected an address block like 10.0.0.0/8 or 2001:db8::/32, found \"" +
                        operand.text.substr(0, 64) + "\"",
                    core::Error::kNoPosition));
    }
    return {};
}

// The operators whose operand is one string.
Op string_op(FilterOperator op) {
    switch (op) {
        case FilterOperator::kPrefix: return Op::kPrefix;
        case FilterOperator::kSuffix: return Op::kSuffix;
        case FilterOperator::kWildcard: return Op::kWildcard;
        case FilterOperator::kRegex: return Op::kRegex;
        case FilterOperator::kEqualsIgnoreCase: return Op::kEqualsIgnoreCase;
        case FilterOperator::kCidr: return Op::kCidr;
        case FilterOperator::kPrefixIgnoreCase: return Op::kPrefixIgnoreCase;
        case FilterOperator::kSuffixIgnoreCase: return Op::kSuffixIgnoreCase;
        case FilterOperator::kContainsIgnoreCase: return Op::kContainsIgnoreCase;
        case FilterOperator::kWildcardIgnoreCase: return Op::kWildcardIgnoreCase;
        default: return Op::kContains;
    }
}

core::Result<Predicate> wrap(core::Result<Leaf> leaf) {
    if (!leaf) return core::fail(std::move(leaf.error()));
    return Predicate::of(std::move(*leaf));
}

core::Result<Predicate> make_exists(const Path& path, const JsonValue& operand) {
    if (!operand.is_bool()) return core::fail(expected("true or false", operand));
    Leaf leaf;
    leaf.path = path;
    leaf.op = Op::kExists;
    Predicate exists = Predicate::of(std::move(leaf));
    return operand.type == JsonValue::Type::kTrue ? exists : Predicate::negation(std::move(exists));
}

core::Result<Predicate> make_bound(const Path& path, FilterOperator op, const JsonValue& operand) {
    auto bound = to_scalar(operand);
    if (!bound) return core::fail(std::move(bound.error()));
    if (!bound->is_number() && !bound->is_string()) {
        return core::fail(expected("a number or a string", operand));
    }
    RangeRequest range;
    range.path = path;
    range.position = operand.position;
    const bool lower = op == FilterOperator::kGt || op == FilterOperator::kGte;
    (lower ? range.lower : range.upper) = std::move(*bound);
    range.lower_inclusive = op == FilterOperator::kGte;
    range.upper_inclusive = op == FilterOperator::kLte;
    return wrap(make_range(std::move(range)));
}

core::Result<Predicate> make_between(const Path& path, const JsonValue& operand) {
    if (!operand.is_array() || operand.elements.size() != 2) {
        return core::fail(expected("[lowest, highest]", operand));
    }
    auto bounds = to_scalars(operand);
    if (!bounds) return core::fail(std::move(bounds.error()));
    RangeRequest range;
    range.path = path;
    range.lower = std::move((*bounds)[0]);
    range.upper = std::move((*bounds)[1]);
    if (range.lower.type == Scalar::Type::kNull || range.upper.type == Scalar::Type::kNull) {
        return core::fail(expected("[lowest, highest], two numbers or two strings", operand));
    }
    range.lower_inclusive = range.upper_inclusive = true;
    range.position = operand.position;
    return wrap(make_range(std::move(range)));
}

core::Result<Predicate> make_string_condition(const Path& path, FilterOperator op,
                                              const JsonValue& operand) {
    LeafRequest request;
    request.path = path;
    request.op = string_op(op);
    request.position = operand.position;
    if (operand.is_array()) {  // any of several
        auto scalars = to_scalars(operand);
        if (!scalars) return core::fail(std::move(scalars.error()));
        request.operands = std::move(*scalars);
    } else {
        auto scalar = to_scalar(operand);
        if (!scalar) return core::fail(std::move(scalar.error()));
        request.operands.push_back(std::move(*scalar));
    }
    if (!request.operands.front().is_string()) {
        // `contains 5` asks for an element equal to 5: a number has no parts to look into.
        if (op != FilterOperator::kContains) return core::fail(expected("a string", operand));
        request.op = Op::kEquals;
    }
    return wrap(make_leaf(std::move(request)));
}

core::Result<Predicate> make_equality(const Path& path, FilterOperator op,
                                      const JsonValue& operand) {
    LeafRequest request;
    request.path = path;
    request.negated = op == FilterOperator::kNotEquals || op == FilterOperator::kNotIn;
    request.position = operand.position;
    const bool list = op == FilterOperator::kIn || op == FilterOperator::kNotIn;
    if (list && !operand.is_array()) return core::fail(expected("a list of values", operand));
    if (list) {
        auto scalars = to_scalars(operand);
        if (!scalars) return core::fail(std::move(scalars.error()));
        request.operands = std::move(*scalars);
    } else {
        auto scalar = to_scalar(operand);
        if (!scalar) return core::fail(std::move(scalar.error()));
        request.operands.push_back(std::move(*scalar));
    }
    return wrap(make_leaf(std::move(request)));
}

}  // namespace

core::Error invalid(std::string message, std::int64_t position) {
    core::Error error(core::ErrorCode::kValidation, std::move(message));
    error.position = position;
    return error;
}

core::Error expected(std::string_view what, const JsonValue& found) {
    return invalid(
        "expected " + std::string(what) + ", found " + std::string(type_name(found.type)),
        found.position);
}

bool find_operator(std::string_view name, FilterOperator& out) {
    for (const auto& entry : kOperators) {
        if (entry.text == name) return out = entry.op, true;
    }
    for (const auto& entry : kAliases) {
        if (entry.text == name) return out = entry.op, true;
    }
    return false;
}

std::string operator_list() {
    std::string out;
    for (const auto& entry : kOperators) {
        if (!out.empty()) out += ", ";
        out += entry.text;
    }
    return out;
}

core::Result<Scalar> to_scalar(const JsonValue& value) {
    switch (value.type) {
        case JsonValue::Type::kNull: return Scalar::null();
        case JsonValue::Type::kFalse: return Scalar::boolean(false);
        case JsonValue::Type::kTrue: return Scalar::boolean(true);
        case JsonValue::Type::kString: return Scalar::string(value.text);
        case JsonValue::Type::kNumber:
            if (value.text.size() > kNumberBytesMax) {
                return core::fail(invalid("a number of " + std::to_string(value.text.size()) +
                                              " digits exceeds the limit of " +
                                              std::to_string(kNumberBytesMax),
                                          value.position)
                                      .bound(kNumberBytesMax));
            }
            return Scalar::number(value.text);
        default: return core::fail(expected("a string, number, true, false or null", value));
    }
}

core::Result<std::vector<Scalar>> to_scalars(const JsonValue& array) {
    if (array.elements.empty())
        return core::fail(invalid("expected at least one value", array.position));
    if (array.elements.size() > kFilterValuesMax) {
        return core::fail(invalid("a list of " + std::to_string(array.elements.size()) +
                                      " values exceeds the limit of " +
                                      std::to_string(kFilterValuesMax),
                                  array.position)
                              .bound(kFilterValuesMax));
    }
    std::vector<Scalar> out;
    for (const JsonValue& element : array.elements) {
        auto scalar = to_scalar(element);
        if (!scalar) return core::fail(std::move(scalar.error()));
        out.push_back(std::move(*scalar));
    }
    return out;
}

core::Result<Leaf> make_leaf(LeafRequest request) {
    Leaf leaf;
    for (Scalar& operand : request.operands) {
        core::Status checked;
        if (operand.is_string()) {
            checked = check_string(request.op, operand);
        } else if (request.op != Op::kEquals) {
            checked = core::fail(invalid("expected a string", core::Error::kNoPosition));
        }
        if (!checked) {
            core::Error error = std::move(checked.error());
            error.position = request.position;
            return core::fail(std::move(error));
        }
        leaf.operands.push_back(std::move(operand));
    }
    leaf.path = std::move(request.path);
    leaf.op = request.op;
    leaf.negated = request.negated;
    return leaf;
}

core::Result<Leaf> make_range(RangeRequest request) {
    for (Scalar* bound : {&request.lower, &request.upper}) {
        if (bound->is_string() && bound->text.size() > kOperandBytesMax) {
            return core::fail(invalid("a text of " + std::to_string(bound->text.size()) +
                                          " bytes exceeds the limit of " +
                                          std::to_string(kOperandBytesMax),
                                      request.position)
                                  .bound(kOperandBytesMax));
        }
    }
    const bool both =
        request.lower.type != Scalar::Type::kNull && request.upper.type != Scalar::Type::kNull;
    if (both && request.lower.type != request.upper.type) {
        return core::fail(
            invalid("the two ends of a range are both numbers or both strings", request.position));
    }
    if (both) {
        const auto order = request.lower.is_number()
                               ? compare(request.lower.number_view(), request.upper.number_view())
                               : request.lower.text.compare(request.upper.text) <=> 0;
        const bool closed = request.lower_inclusive && request.upper_inclusive;
        if (order > 0 || (order == 0 && !closed)) {
            return core::fail(
                invalid("the range holds no value: its lower end is not below its upper end",
                        request.position));
        }
    }
    Leaf leaf;
    leaf.path = std::move(request.path);
    leaf.op = Op::kRange;
    leaf.negated = request.negated;
    leaf.lower_inclusive = request.lower_inclusive && request.lower.type != Scalar::Type::kNull;
    leaf.upper_inclusive = request.upper_inclusive && request.upper.type != Scalar::Type::kNull;
    leaf.operands.push_back(std::move(request.lower));
    leaf.operands.push_back(std::move(request.upper));
    return leaf;
}

core::Result<Predicate> make_condition(const Path& path, FilterOperator op,
                                       const JsonValue& operand) {
    switch (op) {
        case FilterOperator::kEquals:
        case FilterOperator::kNotEquals:
        case FilterOperator::kIn:
        case FilterOperator::kNotIn: return make_equality(path, op, operand);
        case FilterOperator::kGt:
        case FilterOperator::kGte:
        case FilterOperator::kLt:
        case FilterOperator::kLte: return make_bound(path, op, operand);
        case FilterOperator::kBetween: return make_between(path, operand);
        case FilterOperator::kExists: return make_exists(path, operand);
        default: return make_string_condition(path, op, operand);
    }
}

}  // namespace millrace::matcher
