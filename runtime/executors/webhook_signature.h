// What: the signature of a webhook by Standard Webhooks 1.0: over id, time and body with points
//       between them; one for each secret that is in force, the newest first.
// Threads: pure. Lifetime: values. Limits: none. Failure: none; secrets were checked when they were
//       registered, one that is damaged signs nothing.
#pragma once

#include "runtime/registry/executor_specs.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct SignedText {
    std::string_view id;
    std::int64_t at_seconds = 0;
    std::string_view body;
};

// "v1,<base64>", "v1a,<base64>".
std::string webhook_signature(const SignedText& text, std::string_view secret,
                              WebhookSigning signing);
// With blanks between them: what the header says.
std::string webhook_signatures(const SignedText& text, const WebhookSecrets& secrets,
                               WebhookSigning signing, std::int64_t now_us);

}  // namespace millrace::runtime
