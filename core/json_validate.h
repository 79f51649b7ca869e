// What: is a text one JSON value by RFC 8259? For bodies and payloads outside the event path.
// Threads: any. Lifetime: none; copies the text, which saves callers the padding.
// Limits: kBodyBytesMax, kJsonDepthMax, kJsonKeysPerObjectMax. Lone surrogates are refused.
// Failure: Error{kValidation} with the byte position.
#pragma once

#include "core/json_faults.h"
#include "core/result.h"

#include <string_view>

namespace millrace::core {

Status json_validate(std::string_view text, DuplicateKeys duplicates = DuplicateKeys::kRefuse);

}  // namespace millrace::core
