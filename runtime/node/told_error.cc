#include "runtime/node/told_error.h"

#include "runtime/node/passage.h"

#include <array>
#include <string>

namespace millrace::runtime::node {
namespace {

core::ErrorCode code_of_text(std::string_view text) {
    constexpr std::array kCodes = {
#define X(name, text, status) core::ErrorCode::name,
        MILLRACE_ERROR_CODES(X)
#undef X
    };
    for (const core::ErrorCode code : kCodes) {
        if (core::error_code_text(code) == text) return code;
    }
    return core::ErrorCode::kInternal;
}

}  // namespace

core::Error read_told_error(const core::JsonElement& error) {
    core::Error out;
    core::JsonElement member, details;
    std::string_view text;
    if (error.find("message", member) && member.get(text)) out.message = text;
    if (error.find("code", member) && member.get(text)) out.code = code_of_text(text);
    if (!error.find("details", details)) return out;
    if (details.find("field", member) && member.get(text)) out.field = text;
    if (details.find("position", member)) member.get(out.position);
    if (details.find("limit", member)) member.get(out.limit);
    if (details.find("retryAfterSeconds", member)) member.get(out.retry_after_seconds);
    return out;
}

core::Error read_error_body(std::string_view body) {
    core::JsonDom dom;
    core::JsonElement error;
    auto root = dom.parse(body);
    if (root && root->find("error", error)) return read_told_error(error);
    return {core::ErrorCode::kInternal, "the answer does not read"};
}

bool says_maybe_taken(std::string_view body) {
    core::JsonDom dom;
    core::JsonElement error, details, reason;
    std::string_view text;
    auto root = dom.parse(body);
    return root && root->find("error", error) && error.find("details", details) &&
           details.find("reason", reason) && reason.get(text) && text == kMaybeTaken;
}

}  // namespace millrace::runtime::node
