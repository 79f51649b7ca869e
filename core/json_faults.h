// What: what can be wrong with JSON text, and the words for it.
// Threads: pure. Lifetime: none. Limits: none. Failure: this is how the walker tells failure.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string_view>

namespace millrace::core {

enum class JsonFault : std::uint8_t {
    kNone,
    kExpectedValue,
    kExpectedKey,
    kExpectedColon,
    kExpectedCommaOrEnd,
    kBadString,
    kBadEscape,
    kBadNumber,
    kBadLiteral,
    kTooDeep,
    kDuplicateKey,
    kTooManyKeys,
    kTrailing,
    kTruncated,
    kUtf8,
    kControlInString,
    kUnclosedString,
    kEmpty,
    kMemory,
};

// Equal keys in one object: most readers take one of the values silently, which one differs.
enum class DuplicateKeys : std::uint8_t { kRefuse, kAllow };

// Where in the text the fault is that the first stage found: kUtf8, kControlInString,
// kUnclosedString (its opening quote). Reads the text once more; Error::kNoPosition for others.
std::int64_t find_stage_fault(JsonFault fault, std::string_view text);

// `found` is the text from the bad place on; it is quoted, cut to a few bytes.
Error json_error(JsonFault fault, std::int64_t position, std::string_view found);

}  // namespace millrace::core
