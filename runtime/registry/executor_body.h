// What: the `executor` of a subscription as JSON: read by its type, and written as it is shown.
//       What nobody may be shown (a webhook's secret) is not in it.
// Threads: pure functions but for new_webhook_secret(), which draws one. Lifetime: values.
// Limits: executor_specs.h. Failure: kValidation errors that name the member by its full path.
#pragma once

#include "core/json_reader.h"
#include "core/result.h"
#include "runtime/registry/executor_specs.h"
#include "runtime/registry/registry_types.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// `order` of a webhook, where the body says it.
void read_executor(core::JsonObject& in, ExecutorSpec& executor, std::optional<Ordering>& order);
// Sets ExecutorSpec::document.
void seal_executor(ExecutorSpec& executor, Ordering order);

// Empty: a header may have it that somebody else than the server says; else why not.
std::string wrong_header_name(std::string_view name);
// The same for its value: no line breaks, at most kWebhookHeaderBytesMax.
std::string wrong_header_value(std::string_view value);

// "whsec_..." (HMAC: 24 to 64 bytes) or "whsk_..." (Ed25519: 32 bytes): the key's bytes.
core::Result<std::string> read_webhook_secret(std::string_view text, WebhookSigning signing);
std::string new_webhook_secret(WebhookSigning signing);

// Calls `visit` with the name in each {{secrets.name}}; its text is what stands there instead. An
// error is one of visit's, or a template that is none.
core::Result<std::string> fill_secrets(
    std::string_view text,
    const std::function<core::Result<std::string>(std::string_view name)>& visit);

}  // namespace millrace::runtime
