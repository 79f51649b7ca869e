#include "runtime/graphql/plan.h"

#include "runtime/graphql/rules.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::runtime::graphql {
namespace {

std::string_view root_of(OperationKind kind) {
    return kind == OperationKind::kSubscription ? kSubscriptionType : kQueryType;
}

bool same_arguments(const std::vector<Argument>& a, const std::vector<Argument>& b) {
    return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const Argument& one) {
               return std::any_of(b.begin(), b.end(), [&](const Argument& other) {
                   return one.name == other.name &&
                          written_value(one.value) == written_value(other.value);
               });
           });
}

// The first mistake sticks; what is made behind it is thrown away.
class Planner {
public:
    // Without values it is only checked, and every condition on a variable holds.
    Planner(const Document& document, const Operation& operation, const VariableValues* values)
        : document_(document), operation_(operation), values_(values) {}

    core::Result<std::vector<PlannedField>> plan() {
        const SchemaType& root = *schema_type(root_of(operation_.kind));
        Groups groups;
        Seen seen;
        collect(operation_.selections, root, true, groups, seen);
        std::vector<PlannedField> fields = plan_groups(groups, root, 1, kDepthMax);
        if (operation_.kind == OperationKind::kSubscription) check_subscription(groups);
        for (const Variable& variable : operation_.variables) {
            if (!used_.contains(variable.name)) {
                refuse(variable.position,
                       "Variable \"$" + std::string(variable.name) + "\" is never used");
            }
        }
        if (error_) return core::fail(std::move(*error_));
        return fields;
    }

private:
    struct Group {
        std::string_view key;
        std::vector<std::pair<const Selection*, bool>> from;  // and whether it is included
        bool included = false;
    };
    using Groups = std::vector<Group>;
    using Seen = std::set<std::pair<const Fragment*, bool>>;

    void refuse(std::size_t position, const std::string& what) {
        refuse(document_error(position, what));
    }
    void refuse(core::Error&& error) {
        if (!error_) error_ = std::move(error);
    }

    // What is left out whatever the variables are does not count.
    void check_subscription(const Groups& groups) {
        std::size_t count = 0;
        for (const Group& group : groups) {
            if (!group.included) continue;
            if (++count == 1 && !meta_field(group.from.front().first->name)) continue;
            return refuse(operation_.position,
                          "A subscription selects one field, and none of introspection");
        }
    }

    // Fields of one answer's object, by the names that they have there.
    void collect(const std::vector<Selection>& selections, const SchemaType& type, bool included,
                 Groups& groups, Seen& seen) {
        for (const Selection& one : selections) {
            if (error_) return;
            if (++selections_ > kSelectionsMax) {
                return refuse(document_error(one.position,
                                             "with its fragments in their places the operation "
                                             "selects more than " +
                                                 std::to_string(kSelectionsMax) +
                                                 " fields, the most that are taken")
                                  .bound(kSelectionsMax));
            }
            const bool is_in = is_included(one.directives) && included;
            if (one.kind == Selection::Kind::kField) {
                add(one, is_in, groups);
            } else if (one.kind == Selection::Kind::kInline) {
                if (check_spread(one, one.on.empty() ? type.name : one.on, type))
                    collect(one.selections, type, is_in, groups, seen);
            } else if (const Fragment* fragment = document_.fragment(one.name)) {
                if (check_spread(one, fragment->on, type) && seen.emplace(fragment, is_in).second)
                    collect(fragment->selections, type, is_in, groups, seen);
            }
        }
    }

    bool check_spread(const Selection& spread, std::string_view on, const SchemaType& type) {
        if (on == type.name) return true;
        if (!schema_type(on)) {
            refuse(spread.position, "Unknown type " + quoted(on));
        } else {
            refuse(spread.position, "A fragment on " + quoted(on) +
                                        " can not be spread here: nothing of type " +
                                        quoted(type.name) + " is one");
        }
        return false;
    }

    void add(const Selection& field, bool included, Groups& groups) {
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const Group& one) { return one.key == field.alias; });
        if (group == groups.end()) group = groups.insert(group, {field.alias, {}, false});
        group->from.emplace_back(&field, included);
        group->included |= included;
        const Selection& first = *group->from.front().first;
        if (first.name == field.name && same_arguments(first.arguments, field.arguments)) return;
        refuse(field.position, "Fields " + quoted(field.alias) +
                                   " conflict: they are different fields, or have different "
                                   "arguments; give one of them an alias");
    }

    std::vector<PlannedField> plan_groups(const Groups& groups, const SchemaType& type,
                                          std::size_t depth, std::size_t depth_max) {
        std::vector<PlannedField> out;
        for (const Group& group : groups) {
            if (error_) break;
            const Selection& first = *group.from.front().first;
            const SchemaField* field = type.field(first.name);
            const SchemaField* const meta = meta_field(first.name);
            const bool of_query = first.name != "__typename";
            if (meta && (!of_query || type.name == kQueryType)) field = meta;
            if (!field) {
                refuse(first.position, "Cannot query field " + quoted(first.name) + " on type " +
                                           quoted(type.name));
                break;
            }
            const std::size_t most = meta && of_query ? kIntrospectionDepthMax : depth_max;
            if (depth > most) {
                refuse(document_error(first.position, "Field " + quoted(first.name) + " is " +
                                                          std::to_string(depth) +
                                                          " deep; the limit is " +
                                                          std::to_string(most))
                           .bound(static_cast<std::int64_t>(most)));
                break;
            }
            PlannedField planned{group.key, field, type.name};
            planned.position = first.position;
            planned.arguments =
                arguments_of(first.arguments, field->arguments, first.position, quoted(first.name));
            planned.fields = plan_below(group, *field, depth, most);
            if (group.included) out.push_back(std::move(planned));
        }
        return out;
    }

    std::vector<PlannedField> plan_below(const Group& group, const SchemaField& field,
                                         std::size_t depth, std::size_t depth_max) {
        const SchemaType& type = *schema_type(named_type(field.type));
        Groups groups;
        Seen seen;
        for (const auto& [selection, included] : group.from) {
            const bool has = !selection->selections.empty();
            if (has != (type.kind == SchemaKind::kObject)) {
                refuse(selection->position,
                       "Field " + quoted(field.name) + " of type " + quoted(field.type) +
                           (has ? " has no fields to select" : " needs a selection of fields"));
                return {};
            }
            collect(selection->selections, type, included, groups, seen);
        }
        return plan_groups(groups, type, depth + 1, depth_max);
    }

    bool is_included(const std::vector<Directive>& directives) {
        bool included = true;
        std::set<std::string_view> names;
        for (const Directive& directive : directives) {
            const std::string name = "\"@" + std::string(directive.name) + "\"";
            const bool skips = directive.name == "skip";
            if (!schema_directive(directive.name)) {
                refuse(directive.position, "Unknown directive " + name);
            } else if (!skips && directive.name != "include") {
                refuse(directive.position, "Directive " + name + " may not be used here");
            } else if (!names.insert(directive.name).second) {
                refuse(directive.position, "Directive " + name + " can be used only once here");
            }
            if (error_) return false;
            const auto given =
                arguments_of(directive.arguments, schema_directive(directive.name)->arguments,
                             directive.position, name);
            if (given.empty() || given[0].second.state != Coerced::State::kSet) continue;
            included = included && (given[0].second.text == "true") != skips;
        }
        return included;
    }

    std::vector<std::pair<std::string_view, Coerced>> arguments_of(
        const std::vector<Argument>& given, std::span<const SchemaArgument> known,
        std::size_t position, const std::string& of) {
        std::vector<std::pair<std::string_view, Coerced>> out;
        std::set<std::string_view> names;
        for (const Argument& argument : given) {
            const auto wanted = std::find_if(known.begin(), known.end(), [&](const auto& one) {
                return one.name == argument.name;
            });
            if (wanted == known.end()) {
                refuse(argument.position,
                       "Unknown argument " + quoted(argument.name) + " of " + of);
                return out;
            }
            if (!names.insert(argument.name).second) {
                refuse(argument.position,
                       "There can be only one argument named " + quoted(argument.name));
                return out;
            }
            Coerced value = value_of(argument, *wanted);
            if (value.state != Coerced::State::kAbsent)
                out.emplace_back(wanted->name, std::move(value));
        }
        for (const SchemaArgument& one : known) {
            if (is_non_null(one.type) && one.absent.empty() && !names.contains(one.name)) {
                refuse(position, "Argument " + quoted(one.name) + " of type " + quoted(one.type) +
                                     " is missing at " + of);
            }
        }
        return out;
    }

    Coerced value_of(const Argument& argument, const SchemaArgument& wanted) {
        if (argument.value.kind != Value::Kind::kVariable) {
            auto value = coerce_literal(wanted.type, argument.value);
            if (value) return std::move(*value);
            refuse(std::move(value.error()));
            return {};
        }
        const std::string& name = argument.value.text;
        const auto variable = std::find_if(operation_.variables.begin(), operation_.variables.end(),
                                           [&](const Variable& one) { return one.name == name; });
        if (variable == operation_.variables.end()) {
            refuse(argument.value.position, "Variable \"$" + name + "\" is not defined");
            return {};
        }
        used_.insert(variable->name);
        if (!variable_fits(*variable, wanted.type, !wanted.absent.empty())) {
            refuse(argument.value.position, "Variable \"$" + name + "\" of type " +
                                                quoted(variable->type) + " used where " +
                                                quoted(wanted.type) + " is expected");
            return {};
        }
        if (!values_) return {};
        const Coerced& value = values_->at(variable->name);
        if (value.state != Coerced::State::kSet && is_non_null(wanted.type)) {
            refuse(argument.value.position, "Argument " + quoted(argument.name) +
                                                " must not be null, as variable \"$" + name +
                                                "\" is");
        }
        return value;
    }

    const Document& document_;
    const Operation& operation_;
    const VariableValues* const values_;
    std::size_t selections_ = 0;
    std::set<std::string_view> used_;
    std::optional<core::Error> error_;
};

core::Result<const Operation*> choose(const Document& document, std::string_view name) {
    const auto none = [](const std::string& what) {
        return core::fail(core::Error(core::ErrorCode::kValidation, what).in("operationName"));
    };
    if (document.operations.empty()) return none("The document holds no operation");
    if (name.empty()) {
        if (document.operations.size() == 1) return &document.operations.front();
        return none("The document holds several operations: operationName says which one is meant");
    }
    for (const Operation& operation : document.operations) {
        if (operation.name == name) return &operation;
    }
    return none("The document holds no operation named " + quoted(name.substr(0, 128)));
}

}  // namespace

core::Result<Plan> plan_operation(const Document& document, std::string_view name,
                                  const core::JsonElement& variables) {
    if (auto whole = check_document(document); !whole) return core::fail(std::move(whole.error()));
    for (const Operation& operation : document.operations) {
        if (operation.kind == OperationKind::kMutation)
            return core::fail(document_error(operation.position, "There are no mutations"));
        if (auto checked = Planner(document, operation, nullptr).plan(); !checked)
            return core::fail(std::move(checked.error()));
    }
    const auto chosen = choose(document, name);
    if (!chosen) return core::fail(chosen.error());
    const Operation& operation = **chosen;
    const auto values = coerce_variables(operation, variables);
    if (!values) return core::fail(values.error());
    auto fields = Planner(document, operation, &*values).plan();
    if (!fields) return core::fail(std::move(fields.error()));
    return Plan{operation.kind, std::move(*fields)};
}

}  // namespace millrace::runtime::graphql
