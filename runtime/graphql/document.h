// What: a GraphQL document as it was read: operations and fragments, their selections, values.
// Threads: values. Lifetime: names are views of the document's text, which lives beside it.
// Limits: kNestingMax, held by the parser. Failure: none.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::graphql {

// Braces and brackets within each other, whatever they mean: what recursion is bounded by.
inline constexpr std::size_t kNestingMax = 64;

struct Value {
    enum class Kind : std::uint8_t {
        kVariable,
        kInt,
        kFloat,
        kString,
        kBoolean,
        kNull,
        kEnum,
        kList,
        kObject,
    };
    Kind kind = Kind::kNull;
    std::string text;                     // a name without its $, a number, a string's meaning
    std::vector<Value> items;             // of a list, of an object
    std::vector<std::string_view> names;  // of an object's items
    std::size_t position = 0;
};

struct Argument {
    std::string_view name;
    Value value;
    std::size_t position = 0;
};

struct Directive {
    std::string_view name;
    std::vector<Argument> arguments;
    std::size_t position = 0;
};

struct Selection {
    enum class Kind : std::uint8_t { kField, kSpread, kInline };
    Kind kind = Kind::kField;
    std::string_view alias;  // what it is called in the answer; its name, without one
    std::string_view name;   // of the field or the fragment
    std::string_view on;     // of an inline fragment; empty: none
    std::vector<Argument> arguments;
    std::vector<Directive> directives;
    std::vector<Selection> selections;
    std::size_t position = 0;
};

struct Variable {
    std::string_view name;
    std::string type;  // "[String!]!", without blanks
    std::optional<Value> absent;
    std::vector<Directive> directives;
    std::size_t position = 0;
};

enum class OperationKind : std::uint8_t { kQuery, kMutation, kSubscription };

struct Operation {
    OperationKind kind = OperationKind::kQuery;
    std::string_view name;
    std::vector<Variable> variables;
    std::vector<Directive> directives;
    std::vector<Selection> selections;
    std::size_t position = 0;
};

struct Fragment {
    std::string_view name;
    std::string_view on;
    std::vector<Directive> directives;
    std::vector<Selection> selections;
    std::size_t position = 0;
};

struct Document {
    std::vector<Operation> operations;
    std::vector<Fragment> fragments;

    const Fragment* fragment(std::string_view name) const {
        for (const Fragment& one : fragments) {
            if (one.name == name) return &one;
        }
        return nullptr;
    }
};

}  // namespace millrace::runtime::graphql
