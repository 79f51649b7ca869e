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
        const bool printable = c >= 0x20 && c < 0x7f;
        out += printable ? c : '?';
    }
    return out;
}

// Bytes of the well-formed UTF-8 character at the front of `text`; 0: there is none (RFC 3629).
std::size_t character_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t bytes = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes == 0 || first > 0xf4 || text.size() < bytes) return 0;
    // Of the second byte a part of the range is overlong, a surrogate or beyond U+10FFFF.
    const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < bytes; ++i) {
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    }
    return bytes;
}

std::int64_t find_bad_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t bytes = character_bytes(text.substr(at));
        if (bytes == 0) return static_cast<std::int64_t>(at);
        at += bytes;
    }
    return Error::kNoPosition;
}

}  // namespace

std::int64_t find_stage_fault(JsonFault fault, std::string_view text) {
    if (fault == JsonFault::kUtf8) return find_bad_utf8(text);
    const bool control = fault == JsonFault::kControlInString;
    if (!control && fault != JsonFault::kUnclosedString) return Error::kNoPosition;
    std::int64_t open = Error::kNoPosition;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        const bool inside = open != Error::kNoPosition;
        if (control && inside && static_cast<unsigned char>(c) < 0x20)
            return static_cast<std::int64_t>(at);
        if (c == '"') open = inside ? Error::kNoPosition : static_cast<std::int64_t>(at);
        if (c == '\\' && inside) ++at;
    }
    return control ? Error::kNoPosition : open;
}

Error json_error(JsonFault fault, std::int64_t position, std::string_view found) {
    std::string text = "invalid JSON: ";
    text += fault_text(fault);
    if (fault == JsonFault::kTooDeep)
        text += ", beyond " + std::to_string(kJsonDepthMax) + " levels,";
    if (fault == JsonFault::kTooManyKeys)
        text += ", more than " + std::to_string(kJsonKeysPerObjectMax) + ",";
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
