#include "runtime/graphql/rules.h"

#include "runtime/graphql/schema.h"
#include "runtime/graphql/values.h"

#include <set>
#include <string_view>
#include <vector>

namespace millrace::runtime::graphql {
namespace {

tl::unexpected<core::Error> mistake(std::size_t position, const std::string& what) {
    return core::fail(document_error(position, what));
}

// No directive may stand at a definition.
core::Status check_no_directives(const std::vector<Directive>& directives) {
    if (directives.empty()) return {};
    const Directive& first = directives.front();
    const bool known = schema_directive(first.name) != nullptr;
    return mistake(first.position, (known ? "Directive \"@" : "Unknown directive \"@") +
                                       std::string(first.name) +
                                       (known ? "\" may not be used here" : "\""));
}

core::Status check_variables(const Operation& operation) {
    std::set<std::string_view> names;
    for (const Variable& variable : operation.variables) {
        const std::string name = "\"$" + std::string(variable.name) + "\"";
        if (!names.insert(variable.name).second)
            return mistake(variable.position, "There can be only one variable named " + name);
        const SchemaType* const type = schema_type(named_type(variable.type));
        if (!type) {
            return mistake(variable.position, "Unknown type " + quoted(named_type(variable.type)));
        }
        if (type->kind == SchemaKind::kObject) {
            return mistake(variable.position, "Variable " + name + " cannot be of type " +
                                                  quoted(variable.type) + ", which only comes out");
        }
        if (auto none = check_no_directives(variable.directives); !none) return none;
        if (!variable.absent || is_list(variable.type)) continue;
        if (auto fits = coerce_literal(variable.type, *variable.absent); !fits)
            return core::fail(std::move(fits.error()));
    }
    return {};
}

core::Status check_operations(const Document& document) {
    std::set<std::string_view> names;
    for (const Operation& operation : document.operations) {
        if (operation.name.empty() && document.operations.size() > 1) {
            return mistake(operation.position,
                           "An operation without a name must be the document's only one");
        }
        if (!names.insert(operation.name).second) {
            return mistake(operation.position,
                           "There can be only one operation named " + quoted(operation.name));
        }
        if (auto none = check_no_directives(operation.directives); !none) return none;
        if (auto variables = check_variables(operation); !variables) return variables;
    }
    return {};
}

// The fragments that a selection names, itself and in what it holds.
void spreads_of(const std::vector<Selection>& selections, std::vector<const Selection*>& out) {
    for (const Selection& one : selections) {
        if (one.kind == Selection::Kind::kSpread) out.push_back(&one);
        spreads_of(one.selections, out);
    }
}

class Fragments {
public:
    explicit Fragments(const Document& document) : document_(document) {}

    core::Status check() {
        std::set<std::string_view> names;
        for (const Fragment& fragment : document_.fragments) {
            if (!names.insert(fragment.name).second) {
                return mistake(fragment.position,
                               "There can be only one fragment named " + quoted(fragment.name));
            }
            const SchemaType* const type = schema_type(fragment.on);
            if (!type) return mistake(fragment.position, "Unknown type " + quoted(fragment.on));
            if (type->kind != SchemaKind::kObject) {
                return mistake(fragment.position, "Fragment " + quoted(fragment.name) +
                                                      " cannot be on " + quoted(fragment.on) +
                                                      ", which has no fields");
            }
            if (auto none = check_no_directives(fragment.directives); !none) return none;
        }
        for (const Operation& operation : document_.operations) {
            if (auto all = follow(operation.selections, 0); !all) return all;
        }
        for (const Fragment& fragment : document_.fragments) {
            if (!done_.contains(&fragment))
                return mistake(fragment.position,
                               "Fragment " + quoted(fragment.name) + " is never used");
        }
        return {};
    }

private:
    // Each fragment once; one that is met below itself goes in circles.
    core::Status follow(const std::vector<Selection>& selections, std::size_t depth) {
        if (depth > kNestingMax) {
            return core::fail(
                document_error(selections.front().position, "fragments name each other more than " +
                                                                std::to_string(kNestingMax) +
                                                                " deep, the most that is read")
                    .bound(kNestingMax));
        }
        std::vector<const Selection*> spreads;
        spreads_of(selections, spreads);
        for (const Selection* spread : spreads) {
            const Fragment* const fragment = document_.fragment(spread->name);
            if (!fragment)
                return mistake(spread->position, "Unknown fragment " + quoted(spread->name));
            if (open_.contains(fragment)) {
                return mistake(spread->position,
                               "Cannot spread fragment " + quoted(spread->name) + " within itself");
            }
            if (done_.contains(fragment)) continue;
            open_.insert(fragment);
            if (auto all = follow(fragment->selections, depth + 1); !all) return all;
            open_.erase(fragment);
            done_.insert(fragment);
        }
        return {};
    }

    const Document& document_;
    std::set<const Fragment*> open_;
    std::set<const Fragment*> done_;
};

}  // namespace

core::Status check_document(const Document& document) {
    if (auto operations = check_operations(document); !operations) return operations;
    return Fragments(document).check();
}

}  // namespace millrace::runtime::graphql
