#include "matcher/filter/condition.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/path_parser.h"

#include <string>
#include <utility>
#include <vector>

namespace millrace::matcher {
namespace {

tl::unexpected<core::Error> located(core::Error error, const std::string& field) {
    if (error.field.empty()) error.field = field;
    return core::fail(std::move(error));
}

core::Result<Predicate> read_list(const JsonValue& list, const std::string& field,
                                  std::size_t depth, bool any);

// {"or": [...]}, {"and": [...]} or {"not": {...}}
// NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
core::Result<Predicate> read_group(const JsonMember& group, const std::string& field,
                                   std::size_t depth) {
    const std::string inside = field + "." + group.name;
    if (group.name != "not") return read_list(group.value, inside, depth + 1, group.name == "or");
    JsonValue single;
    single.type = JsonValue::Type::kArray;
    single.position = group.value.position;
    single.elements.push_back(group.value);
    auto inner = read_list(group.value.is_array() ? group.value : single, inside, depth + 1, false);
    if (!inner) return inner;
    return Predicate::negation(std::move(*inner));
}

core::Result<Predicate> read_condition(const JsonValue& object, const std::string& field) {
    const JsonValue* name = object.find("field");
    const JsonValue* op_name = object.find("operator");
    const JsonValue* value = object.find("value");
    for (const JsonMember& member : object.members) {
        if (member.name == "field" || member.name == "operator" || member.name == "value") continue;
        return located(
            invalid("unknown member; expected field, operator, value (or only one of or, and, not)",
                    member.position),
            field + "." + member.name.substr(0, 64));
    }
    if (name == nullptr || !name->is_string()) {
        return located(name ? expected("a path like \"$.payload.amount\"", *name)
                            : invalid("expected a member \"field\"", object.position),
                       field + ".field");
    }
    if (op_name == nullptr || !op_name->is_string()) {
        return located(op_name ? expected("an operator", *op_name)
                               : invalid("expected a member \"operator\"", object.position),
                       field + ".operator");
    }
    auto path = parse_field(name->text);
    if (!path) return located(std::move(path.error()), field + ".field");
    FilterOperator op{};
    if (!find_operator(op_name->text, op)) {
        return located(invalid("unknown operator \"" + op_name->text.substr(0, 64) +
                                   "\"; expected one of " + operator_list(),
                               op_name->position),
                       field + ".operator");
    }
    JsonValue yes;
    yes.type = JsonValue::Type::kTrue;
    if (value == nullptr && op == FilterOperator::kExists) value = &yes;
    if (value == nullptr) {
        return located(invalid("expected a member \"value\"", object.position), field + ".value");
    }
    auto condition = make_condition(*path, op, *value);
    if (!condition) return located(std::move(condition.error()), field + ".value");
    return condition;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by kFilterDepthMax
core::Result<Predicate> read_list(const JsonValue& list, const std::string& field,
                                  std::size_t depth, bool any) {
    if (!list.is_array()) return located(expected("a list of conditions", list), field);
    if (depth > kFilterDepthMax) {
        return located(invalid("conditions nested deeper than " + std::to_string(kFilterDepthMax),
                               list.position)
                           .bound(kFilterDepthMax),
                       field);
    }
    if (any && list.elements.empty()) {
        return located(invalid("expected at least one condition", list.position), field);
    }
    std::vector<Predicate> parts;
    for (std::size_t i = 0; i < list.elements.size(); ++i) {
        const JsonValue& element = list.elements[i];
        const std::string inside = field + "[" + std::to_string(i) + "]";
        if (!element.is_object())
            return located(expected("an object {field, operator, value}", element), inside);
        const bool group = element.members.size() == 1 &&
                           (element.members[0].name == "or" || element.members[0].name == "and" ||
                            element.members[0].name == "not");
        auto part =
            group ? read_group(element.members[0], inside, depth) : read_condition(element, inside);
        if (!part) return part;
        parts.push_back(std::move(*part));
    }
    return any ? Predicate::any_of(std::move(parts)) : Predicate::all_of(std::move(parts));
}

}  // namespace

core::Result<Predicate> parse_list_filter(const JsonValue& filter, const std::string& field) {
    return read_list(filter, field, 0, false);
}

}  // namespace millrace::matcher
