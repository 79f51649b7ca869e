// What: a JSON text as a plain tree: for filters (each value knows its byte position), for the
//       reference matcher and for explain. Numbers keep their digits. Simple and slow on purpose,
//       and written apart from the event parser, so that the two check each other.
// Threads: values. Lifetime: owns everything.
// Limits: core::kJsonDepthMax deep; `values_max` values.
// Failure: Error{kValidation} with the byte position; equal keys in one object are refused.
#pragma once

#include "core/event.h"
#include "core/result.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

struct JsonMember;

struct JsonValue {
    enum class Type : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
    Type type = Type::kNull;
    std::uint32_t position = 0;       // of the first byte in the text
    std::string text;                 // kString: unescaped bytes; kNumber: the digits as they came
    std::vector<JsonValue> elements;  // kArray
    std::vector<JsonMember> members;  // kObject, in order of the text

    bool is_scalar() const { return type != Type::kArray && type != Type::kObject; }
    bool is_string() const { return type == Type::kString; }
    bool is_number() const { return type == Type::kNumber; }
    bool is_bool() const { return type == Type::kTrue || type == Type::kFalse; }
    bool is_array() const { return type == Type::kArray; }
    bool is_object() const { return type == Type::kObject; }
    const JsonValue* find(std::string_view name) const;  // null when absent or no object
};

struct JsonMember {
    std::string name;
    std::uint32_t position = 0;  // of the key's quote
    JsonValue value;
};

core::Result<JsonValue> parse_json(
    std::string_view text, std::size_t values_max = std::numeric_limits<std::size_t>::max());

// The event as handlers and filters see it: the text the client sent plus the members the server
// filled in (eventId, version, source, timestamp, tenantId), taken from the envelope.
core::Result<JsonValue> event_tree(const core::Envelope& envelope);

// Back to JSON text, compact.
std::string to_json(const JsonValue& value);

// "null", "a boolean", "a number", "a string", "an array", "an object"
std::string_view type_name(JsonValue::Type type);

}  // namespace millrace::matcher
