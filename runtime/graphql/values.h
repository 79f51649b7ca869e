// What: what arguments and variables come to: every argument of the schema is a scalar or an enum,
//       and so a text, or null, or not there.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: an Error that names the variable, or the place in the document.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/graphql/document.h"
#include "runtime/graphql/schema.h"

#include <map>
#include <string>
#include <string_view>

namespace millrace::runtime::graphql {

struct Coerced {
    enum class State : std::uint8_t { kAbsent, kNull, kSet };
    State state = State::kAbsent;
    std::string text = {};
};

using VariableValues = std::map<std::string_view, Coerced>;

inline std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

// A document's mistake at a byte of it.
core::Error document_error(std::size_t position, const std::string& what);

// A value that holds no variable, as that type.
core::Result<Coerced> coerce_literal(std::string_view type, const Value& value);
// What is sent for the operation's variables; `sent` is null or an object.
core::Result<VariableValues> coerce_variables(const Operation& operation,
                                              const core::JsonElement& sent);
// Whether a variable may stand where a value of `wanted` is expected; `has_default`: the place has.
bool variable_fits(const Variable& variable, std::string_view wanted, bool has_default);

// A value as a document would write it, with an order of its own for what has none.
std::string written_value(const Value& value);

}  // namespace millrace::runtime::graphql
