// What: what a subscription's executor is told when it is no script: whom a webhook calls, which
//       program a command runs.
// Threads: immutable once the registry has published them. Lifetime: shared.
// Limits: the constants below, checked by executor_body.cc. Failure: none here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kWebhookUrlBytesMax = 4096;
inline constexpr std::size_t kWebhookHeadersMax = 50;
inline constexpr std::size_t kWebhookHeaderBytesMax = 4096;
inline constexpr std::int64_t kOutsideTimeoutMsMin = 100;
inline constexpr std::int64_t kWebhookTimeoutMsMax = 120'000;
inline constexpr std::int64_t kWebhookConcurrencyMax = 1000;
inline constexpr double kWebhookPerSecondMax = 100'000;
inline constexpr std::size_t kCommandArgsMax = 256;
inline constexpr std::size_t kCommandArgBytesMax = 32u << 10;
inline constexpr std::size_t kCommandEnvMax = 64;
inline constexpr std::int64_t kCommandTimeoutMsMax = 24LL * 3'600'000;
inline constexpr std::size_t kPathBytesMax = 4095;
// A secret that was rotated away still signs for so long.
inline constexpr std::int64_t kSecretOverlapUs = 24LL * 3'600'000'000;

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

enum class WebhookBody : std::uint8_t { kStandard, kEnvelope, kPayload, kCloudEvent };
enum class WebhookSigning : std::uint8_t { kHmac, kEd25519 };

struct WebhookSpec {
    std::string url;  // url and values of headers may hold {{secrets.name}}
    WebhookBody body = WebhookBody::kStandard;
    NamedTexts headers;
    WebhookSigning signing = WebhookSigning::kHmac;
    std::int64_t timeout_ms = 15'000;
    double per_second_max = 0;  // 0: as fast as it goes
    std::uint32_t concurrency_max = 10;
    std::string transform_script_id;  // what reshapes body and headers; empty: nothing does
};

class HiddenTexts;

// As texts ("whsec_..."): in the row and in whoever signs; shown when they are made, never again.
struct WebhookSecrets {
    std::string current = {};
    std::string previous = {};  // signs beside it until then; empty: none
    std::int64_t previous_until_us = 0;
    // What is hidden of them in texts that people see: keep_webhook_secrets() makes it, once.
    std::shared_ptr<const HiddenTexts> hidden = nullptr;
};

struct CommandSpec {
    std::string command;            // an absolute path
    std::vector<std::string> args;  // with templates
    NamedTexts env;                 // values with templates
    std::string cwd;                // empty: /
    std::int64_t timeout_ms = 30'000;
    bool allow_dash = false;  // a templated argument may begin with '-'
};

}  // namespace millrace::runtime
