#include "runtime/graphql/values.h"

#include "core/json_writer.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

namespace millrace::runtime::graphql {
namespace {

template <typename Int>
bool is_whole(std::string_view text) {
    Int value{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool is_value_of(const SchemaType& type, std::string_view name) {
    return std::any_of(type.values.begin(), type.values.end(),
                       [&](const SchemaValue& one) { return one.name == name; });
}

bool literal_is(const SchemaType& type, const Value& value) {
    using Kind = Value::Kind;
    if (type.kind == SchemaKind::kEnum)
        return value.kind == Kind::kEnum && is_value_of(type, value.text);
    if (type.name == "Boolean") return value.kind == Kind::kBoolean;
    if (type.name == "String") return value.kind == Kind::kString;
    if (type.name == "ID") return value.kind == Kind::kString || value.kind == Kind::kInt;
    if (type.name == "Int") return value.kind == Kind::kInt && is_whole<std::int32_t>(value.text);
    if (type.name == "Long") return value.kind == Kind::kInt && is_whole<std::int64_t>(value.text);
    if (type.name == "Float") return value.kind == Kind::kInt || value.kind == Kind::kFloat;
    return true;  // JSON
}

bool json_is(const SchemaType& type, const core::JsonElement& value, std::string& text) {
    std::string_view view;
    bool truth = false;
    const bool is_text = value.get(view);
    text = is_text ? view : value.raw();
    if (type.kind == SchemaKind::kEnum) return is_text && is_value_of(type, text);
    if (type.name == "Boolean") return value.get(truth);
    if (type.name == "String") return is_text;
    if (type.name == "ID")
        return is_text || (value.is_number() && is_whole<std::int64_t>(value.raw()));
    if (type.name == "Int") return value.is_number() && is_whole<std::int32_t>(value.raw());
    if (type.name == "Long") return value.is_number() && is_whole<std::int64_t>(value.raw());
    if (type.name == "Float") return value.is_number();
    return true;
}

bool is_subtype(std::string_view given, std::string_view wanted) {
    for (;;) {
        if (is_non_null(wanted)) {
            if (!is_non_null(given)) return false;
            wanted = nullable(wanted);
        }
        given = nullable(given);
        if (is_list(wanted) != is_list(given)) return false;
        if (!is_list(wanted)) return given == wanted;
        wanted = item_type(wanted);
        given = item_type(given);
    }
}

std::string article_of(std::string_view type) {
    const SchemaType* const known = schema_type(named_type(type));
    std::string out = "a value of " + std::string(type);
    if (!known || known->kind != SchemaKind::kEnum) return out;
    for (std::size_t i = 0; i < known->values.size(); ++i)
        out += (i == 0 ? ": " : ", ") + std::string(known->values[i].name);
    return out;
}

}  // namespace

core::Error document_error(std::size_t position, const std::string& what) {
    return core::Error(core::ErrorCode::kValidation, what).at(static_cast<std::int64_t>(position));
}

core::Result<Coerced> coerce_literal(std::string_view type, const Value& value) {
    if (value.kind == Value::Kind::kNull && !is_non_null(type))
        return Coerced{Coerced::State::kNull};
    const SchemaType* const known = is_list(type) ? nullptr : schema_type(nullable(type));
    if (!known || value.kind == Value::Kind::kNull || !literal_is(*known, value)) {
        return core::fail(document_error(
            value.position, "expected " + article_of(type) + ", found " + written_value(value)));
    }
    return Coerced{Coerced::State::kSet, value.text};
}

core::Result<VariableValues> coerce_variables(const Operation& operation,
                                              const core::JsonElement& sent) {
    VariableValues out;
    for (const Variable& variable : operation.variables) {
        const auto refuse = [&](const std::string& what) {
            return core::fail(document_error(
                variable.position, "Variable \"$" + std::string(variable.name) + "\" " + what));
        };
        Coerced& value = out[variable.name];
        core::JsonElement given;
        if (!sent.is_object() || !sent.find(variable.name, given)) {
            if (variable.absent) {
                auto absent = coerce_literal(variable.type, *variable.absent);
                if (!absent) return core::fail(std::move(absent.error()));
                value = std::move(*absent);
            } else if (is_non_null(variable.type)) {
                return refuse("of type \"" + variable.type + "\" was not provided");
            }
            continue;
        }
        value.state = given.is_null() ? Coerced::State::kNull : Coerced::State::kSet;
        if (given.is_null() && !is_non_null(variable.type)) continue;
        const SchemaType* const type =
            is_list(variable.type) ? nullptr : schema_type(nullable(variable.type));
        if (given.is_null() || !type || !json_is(*type, given, value.text)) {
            return refuse("got " + std::string(given.raw().substr(0, 64)) + "; expected " +
                          article_of(variable.type));
        }
    }
    return out;
}

bool variable_fits(const Variable& variable, std::string_view wanted, bool has_default) {
    const bool has_value = variable.absent && variable.absent->kind != Value::Kind::kNull;
    if (is_non_null(wanted) && !is_non_null(variable.type) && (has_value || has_default))
        wanted = nullable(wanted);
    return is_subtype(variable.type, wanted);
}

std::string written_value(const Value& value) {
    std::string out;
    switch (value.kind) {
        case Value::Kind::kVariable: return "$" + value.text;
        case Value::Kind::kString: core::append_json_string(out, value.text); return out;
        case Value::Kind::kList:
            for (const Value& item : value.items)
                out += (out.empty() ? "" : ", ") + written_value(item);
            return "[" + out + "]";
        case Value::Kind::kObject: {
            std::vector<std::string> fields;
            for (std::size_t i = 0; i < value.items.size(); ++i)
                fields.push_back(std::string(value.names[i]) + ": " +
                                 written_value(value.items[i]));
            std::sort(fields.begin(), fields.end());
            for (const std::string& field : fields) out += (out.empty() ? "" : ", ") + field;
            return "{" + out + "}";
        }
        default: return value.text;
    }
}

}  // namespace millrace::runtime::graphql
