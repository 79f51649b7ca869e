#include "core/json_validate.h"

#include "core/json_tokens.h"
#include "core/json_walker.h"

#include <memory>

namespace millrace::core {

namespace {

Error stage_error(JsonFault fault, std::string_view text) {
    return json_error(fault, find_stage_fault(fault, text), {});
}

}  // namespace

Status json_validate(std::string_view text, DuplicateKeys duplicates) {
    if (text.size() > kBodyBytesMax) {
        return fail(Error(ErrorCode::kPayloadTooLarge,
                          "JSON text of " + std::to_string(text.size()) + " bytes exceeds " +
                              std::to_string(kBodyBytesMax))
                        .bound(static_cast<std::int64_t>(kBodyBytesMax)));
    }
    // One blank behind the text is where the walker stops at the latest; the rest is padding.
    std::string copy;
    copy.reserve(text.size() + kWalkerPaddingBytes);
    copy.append(text).append(kWalkerPaddingBytes, ' ');
    JsonTokens tokens;
    const JsonFault stage = tokens.run(copy.data(), text.size() + 1);
    if (stage != JsonFault::kNone) return fail(stage_error(stage, text));
    const auto walker = std::make_unique<JsonWalker>();
    walker->start(copy.data(), text.size() + 1, tokens.begin(), duplicates);
    if (!walker->skip_value()) {
        const std::uint32_t at = walker->fault_at();
        const bool past = at >= text.size();
        return fail(json_error(past ? JsonFault::kTruncated : walker->fault(), at,
                               past ? std::string_view() : text.substr(at)));
    }
    if (walker->token() != tokens.end()) {
        const std::uint32_t at = walker->position();
        return fail(json_error(JsonFault::kTrailing, at, text.substr(at)));
    }
    return {};
}

}  // namespace millrace::core
