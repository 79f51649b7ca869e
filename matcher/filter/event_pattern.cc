// The event-shaped form: event-ruler's language (2.0), and `regex` besides. Keys are literal names,
// so a key with a dot is one key. The order of conditions says nothing.
#include "matcher/filter/condition.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/path_parser.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

using Parsed = core::Result<Predicate>;

constexpr std::array<std::string_view, 9> kReserved = {
    "exists",       "equals-ignore-case", "prefix", "suffix", "numeric",
    "anything-but", "wildcard",           "cidr",   "regex",
};

bool is_reserved(std::string_view name) {
    return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

tl::unexpected<core::Error> located(core::Error error, const std::string& field) {
    if (error.field.empty()) error.field = field;
    return core::fail(std::move(error));
}

Parsed wrap(core::Result<Leaf> leaf, const std::string& field) {
    if (!leaf) return located(std::move(leaf.error()), field);
    return Predicate::of(std::move(*leaf));
}

// `$or` is a relation only as a list of two or more objects that are not value conditions
// themselves; anything else is a field of that name, as in event-ruler.
bool is_or_relation(const JsonValue& value) {
    return value.is_array() && value.elements.size() >= 2 &&
           std::all_of(value.elements.begin(), value.elements.end(), [](const JsonValue& element) {
               return element.is_object() && !element.members.empty() &&
                      std::none_of(
                          element.members.begin(), element.members.end(),
                          [](const JsonMember& member) { return is_reserved(member.name); });
           });
}

// The operands of a string condition: a string, or a list of them where event-ruler takes one.
core::Result<std::vector<Scalar>> read_strings(const JsonValue& value) {
    std::vector<Scalar> out;
    if (value.is_string()) {
        out.push_back(Scalar::string(value.text));
        return out;
    }
    if (!value.is_array()) return core::fail(expected("a string or a list of strings", value));
    auto scalars = to_scalars(value);
    if (!scalars) return scalars;
    for (std::size_t i = 0; i < scalars->size(); ++i) {
        if (!(*scalars)[i].is_string()) return core::fail(expected("a string", value.elements[i]));
    }
    return scalars;
}

enum class Sign { kPlain, kNegated };

Parsed string_leaf(const Path& path, Op op, const JsonValue& value, Sign sign,
                   const std::string& field) {
    if (sign == Sign::kPlain && !value.is_string())
        return located(expected("a string", value), field);
    auto operands = read_strings(value);
    if (!operands) return located(std::move(operands.error()), field);
    LeafRequest request;
    request.path = path;
    request.op = op;
    request.negated = sign == Sign::kNegated;
    request.operands = std::move(*operands);
    request.position = value.position;
    return wrap(make_leaf(std::move(request)), field);
}

// prefix and suffix take {"equals-ignore-case": ...} in place of a text.
Parsed affix_leaf(const Path& path, Op plain, Op ignoring_case, const JsonValue& value, Sign sign,
                  const std::string& field) {
    if (!value.is_object()) return string_leaf(path, plain, value, sign, field);
    if (value.members.size() != 1 || value.members[0].name != "equals-ignore-case") {
        return located(expected("a string or {\"equals-ignore-case\": string}", value), field);
    }
    return string_leaf(path, ignoring_case, value.members[0].value, sign,
                       field + ".equals-ignore-case");
}

Parsed read_cidr(const Path& path, const JsonValue& value, const std::string& field) {
    return string_leaf(path, Op::kCidr, value, Sign::kPlain, field);
}

// [">", 0, "<=", 5] or ["=", 3]
Parsed read_numeric(const Path& path, const JsonValue& value, const std::string& field) {
    const auto& parts = value.elements;
    if (!value.is_array() || (parts.size() != 2 && parts.size() != 4)) {
        return located(
            expected("[operator, number] or [operator, number, operator, number]", value), field);
    }
    RangeRequest range;
    range.path = path;
    range.position = value.position;
    for (std::size_t i = 0; i < parts.size(); i += 2) {
        if (!parts[i].is_string()) return located(expected("one of = < <= > >=", parts[i]), field);
        if (!parts[i + 1].is_number()) return located(expected("a number", parts[i + 1]), field);
        auto number = to_scalar(parts[i + 1]);
        if (!number) return located(std::move(number.error()), field);
        const std::string& sign = parts[i].text;
        if (sign == "=" && parts.size() == 2) {
            LeafRequest request;
            request.path = path;
            request.operands.push_back(std::move(*number));
            return wrap(make_leaf(std::move(request)), field);
        }
        const bool lower = sign == ">" || sign == ">=";
        if (!lower && sign != "<" && sign != "<=") {
            return located(
                invalid("expected one of = < <= > >=, found \"" + sign.substr(0, 16) + "\"",
                        parts[i].position),
                field);
        }
        if (parts.size() == 4 && lower != (i == 0)) {
            return located(
                invalid("expected the lower bound (> or >=) first, then the upper (< or <=)",
                        parts[i].position),
                field);
        }
        (lower ? range.lower : range.upper) = std::move(*number);
        (lower ? range.lower_inclusive : range.upper_inclusive) = sign.size() == 2;
    }
    return wrap(make_range(std::move(range)), field);
}

Parsed read_exists(const Path& path, const JsonValue& value, const std::string& field) {
    if (!value.is_bool()) return located(expected("true or false", value), field);
    Leaf leaf;
    leaf.path = path;
    leaf.op = Op::kExistsLeaf;
    Predicate exists = Predicate::of(std::move(leaf));
    return value.type == JsonValue::Type::kTrue ? exists : Predicate::negation(std::move(exists));
}

Parsed read_text_operator(const Path& path, const JsonMember& member, Sign sign,
                          const std::string& field) {
    if (member.name == "prefix") {
        return affix_leaf(path, Op::kPrefix, Op::kPrefixIgnoreCase, member.value, sign, field);
    }
    if (member.name == "suffix") {
        return affix_leaf(path, Op::kSuffix, Op::kSuffixIgnoreCase, member.value, sign, field);
    }
    if (member.name == "equals-ignore-case") {
        return string_leaf(path, Op::kEqualsIgnoreCase, member.value, sign, field);
    }
    if (member.name == "wildcard")
        return string_leaf(path, Op::kWildcard, member.value, sign, field);
    if (member.name == "regex") return string_leaf(path, Op::kRegex, member.value, sign, field);
    const std::string found = '"' + member.name.substr(0, 64) + '"';
    return located(
        invalid(sign == Sign::kNegated
                    ? "anything-but takes no match type " + found +
                          "; expected a value, a list of values, or one of prefix, suffix, "
                          "equals-ignore-case, wildcard, regex"
                    : "unknown match type " + found +
                          "; expected exists, prefix, suffix, equals-ignore-case, wildcard, "
                          "numeric, cidr, anything-but or regex",
                member.position),
        field);
}

Parsed read_anything_but(const Path& path, const JsonValue& value, const std::string& field) {
    if (value.is_object()) {
        if (value.members.size() != 1)
            return located(expected("exactly one match type", value), field);
        const JsonMember& inner = value.members[0];
        return read_text_operator(path, inner, Sign::kNegated,
                                  field + "." + inner.name.substr(0, 64));
    }
    LeafRequest request;
    request.path = path;
    request.negated = true;
    request.position = value.position;
    if (value.is_array()) {
        auto scalars = to_scalars(value);
        if (!scalars) return located(std::move(scalars.error()), field);
        request.operands = std::move(*scalars);
    } else {
        auto scalar = to_scalar(value);
        if (!scalar) return located(std::move(scalar.error()), field);
        request.operands.push_back(std::move(*scalar));
    }
    return wrap(make_leaf(std::move(request)), field);
}

Parsed read_operator(const Path& path, const JsonValue& object, const std::string& field) {
    if (object.members.size() != 1)
        return located(expected("exactly one match type", object), field);
    const JsonMember& member = object.members[0];
    const std::string inside = field + "." + member.name.substr(0, 64);
    if (member.name == "exists") return read_exists(path, member.value, inside);
    if (member.name == "numeric") return read_numeric(path, member.value, inside);
    if (member.name == "cidr") return read_cidr(path, member.value, inside);
    if (member.name == "anything-but") return read_anything_but(path, member.value, inside);
    return read_text_operator(path, member, Sign::kPlain, inside);
}

// The list at a leaf: any of its values and operators. Plain values become one condition.
Parsed read_leaf(const Path& path, const JsonValue& list, const std::string& field) {
    if (list.elements.empty())
        return located(invalid("empty lists match nothing", list.position), field);
    if (list.elements.size() > kFilterValuesMax) {
        return located(
            invalid("a list of " + std::to_string(list.elements.size()) +
                        " values exceeds the limit of " + std::to_string(kFilterValuesMax),
                    list.position)
                .bound(kFilterValuesMax),
            field);
    }
    LeafRequest values;
    values.path = path;
    values.position = list.position;
    std::vector<Predicate> any;
    for (std::size_t i = 0; i < list.elements.size(); ++i) {
        const JsonValue& element = list.elements[i];
        const std::string inside = field + "[" + std::to_string(i) + "]";
        if (element.is_array())
            return located(expected("a value or a match type", element), inside);
        if (element.is_object()) {
            auto condition = read_operator(path, element, inside);
            if (!condition) return condition;
            any.push_back(std::move(*condition));
            continue;
        }
        auto scalar = to_scalar(element);
        if (!scalar) return located(std::move(scalar.error()), inside);
        values.operands.push_back(std::move(*scalar));
    }
    if (!values.operands.empty()) {
        auto leaf = wrap(make_leaf(std::move(values)), field);
        if (!leaf) return leaf;
        any.insert(any.begin(), std::move(*leaf));
    }
    return Predicate::any_of(std::move(any));
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
Parsed read_object(const JsonValue& object, std::vector<PathStep>& steps,
                   const std::string& field) {
    if (object.members.empty())
        return located(invalid("empty objects match nothing", object.position), field);
    if (steps.size() > kFilterDepthMax - 2) {
        return located(invalid("objects nested deeper than " + std::to_string(kFilterDepthMax),
                               object.position)
                           .bound(kFilterDepthMax),
                       field);
    }
    std::vector<Predicate> all;
    for (const JsonMember& member : object.members) {
        const std::string inside = field + "." + member.name.substr(0, 64);
        if (member.name == "$or" && is_or_relation(member.value)) {
            std::vector<Predicate> any;
            for (std::size_t i = 0; i < member.value.elements.size(); ++i) {
                // NOLINTNEXTLINE: each level of $or is a level of JSON, which the reader bounded
                auto part = read_object(member.value.elements[i], steps,
                                        inside + "[" + std::to_string(i) + "]");
                if (!part) return part;
                any.push_back(std::move(*part));
            }
            all.push_back(Predicate::any_of(std::move(any)));
            continue;
        }
        PathStep step;
        step.name = member.name;
        steps.push_back(std::move(step));
        Parsed part = Predicate::always();
        if (member.value.is_object()) {
            part = read_object(member.value, steps, inside);
        } else if (member.value.is_array()) {
            auto path = root_path(steps);
            part = path ? read_leaf(*path, member.value, inside)
                        : Parsed(core::fail(std::move(path.error())));
        } else {
            part = located(expected("an object, or a list of values like [\"a\"]", member.value),
                           inside);
        }
        steps.pop_back();
        if (!part) return part;
        all.push_back(std::move(*part));
    }
    return Predicate::all_of(std::move(all));
}

}  // namespace

core::Result<Predicate> parse_event_pattern(const JsonValue& filter, const std::string& field) {
    if (!filter.is_object())
        return located(expected("an object shaped like the event", filter), field);
    std::vector<PathStep> steps;
    return read_object(filter, steps, field);
}

}  // namespace millrace::matcher
