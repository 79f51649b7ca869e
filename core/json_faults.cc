#include "core/json_faults.h"

#include "core/limits.h"

#include <string>

namespace millrace::core {

namespace {

std::string_view fault_text(JsonFault fault) {
    switch (fault) {
        case JsonFault::kNone: return "no error";
        case JsonFault::kExpectedValue: return "expected a JSON value";
        case JsonFault::kExpectedKey: return "expected a key in double quotes";
        case JsonFault::kExpectedColon: return "expected ':' behind the key";
        case JsonFault::kExpectedCommaOrEnd:
            return "expected ',' or the end of the object or array";
        case JsonFault::kBadString: return "malformed string";
        case JsonFault::kBadEscape: return "bad escape in a string";
        case JsonFault::kBadNumber: return "malformed number";
        case JsonFault::kBadLiteral: return "expected true, false or null";
        case JsonFault::kTooDeep: return "nested too deeply";
        case JsonFault::kDuplicateKey: return "the same key twice in one object";
        case JsonFault::kTooManyKeys: return "too many keys in one object";
        case JsonFault::kTrailing: return "text behind the end of the JSON value";
        case JsonFault::kTruncated: return "the text ends inside a JSON value";
        case JsonFault::kUtf8: return "the text is not valid UTF-8";
        case JsonFault::kControlInString: return "unescaped control character in a string";
        case JsonFault::kUnclosedString: return "a string has no closing quote";
        case JsonFault::kEmpty: return "the text is empty";
        case JsonFault::kMemory: return "no memory for the parser";
    }
    return "unknown";
}

std::string quoted(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 24)) {
        const bool printable = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        out += printable ? c : '?';
    }
    return out;
}

}  // namespace

Error json_error(JsonFault fault, std::int64_t position, std::string_view found) {
    std::string text = "invalid JSON: ";
    text += fault_text(fault);
    if (position >= 0) text += " at byte " + std::to_string(position);
    if (!found.empty()) text += ", found '" + quoted(found) + "'";
    Error error(fault == JsonFault::kMemory ? ErrorCode::kUnavailable : ErrorCode::kValidation,
                std::move(text));
    error.position = position;
    if (fault == JsonFault::kTooDeep) error.limit = static_cast<std::int64_t>(kJsonDepthMax);
    if (fault == JsonFault::kTooManyKeys)
        error.limit = static_cast<std::int64_t>(kJsonKeysPerObjectMax);
    return error;
}

}  // namespace millrace::core
