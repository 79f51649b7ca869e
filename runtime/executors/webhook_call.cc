#include "runtime/executors/webhook_call.h"

#include "core/crypto/digest.h"
#include "core/http_url.h"
#include "runtime/executors/webhook_answer.h"
#include "runtime/executors/webhook_signature.h"
#include "runtime/registry/executor_body.h"

namespace millrace::runtime {
namespace {

core::Result<std::string> filled(std::string_view text, const FindSecret& find_secret) {
    return fill_secrets(text, [&](std::string_view name) -> core::Result<std::string> {
        std::string value;
        if (find_secret(name, value)) return value;
        return core::fail(core::ErrorCode::kNotFound,
                          "no secret has the name \"" + std::string(name.substr(0, 128)) + "\"");
    });
}

bool says_content_type(const NamedTexts& headers) {
    for (const auto& [name, value] : headers) {
        std::string lower(name);
        for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        if (lower == "content-type") return true;
    }
    return false;
}

// W3C Trace Context: what belongs together by its correlation is one trace, each attempt a span.
std::string traceparent_of(const OutgoingAttempt& attempt) {
    const core::Envelope& envelope = attempt.event->envelope;
    const std::string_view chain =
        envelope.correlation_id.empty() ? attempt.event->event_id : envelope.correlation_id;
    const auto hex = [](const core::crypto::Digest& digest, std::size_t bytes) {
        constexpr char kHex[] = "0123456789abcdef";
        std::string out;
        for (std::size_t i = 0; i < bytes; ++i) {
            out += kHex[digest[i] >> 4];
            out += kHex[digest[i] & 15];
        }
        return out;
    };
    const std::string span =
        std::string(attempt.delivery_id) + "/" + std::to_string(attempt.attempt);
    return "00-" + hex(core::crypto::sha256(chain), 16) + "-" + hex(core::crypto::sha256(span), 8) +
           "-01";
}

}  // namespace

core::Result<courier::HttpCall> make_webhook_call(const OutgoingAttempt& attempt,
                                                  const FindSecret& find_secret) {
    const Subscription& subscription = *attempt.subscription;
    const WebhookSpec& spec = *subscription.executor.webhook;
    courier::HttpCall call;
    call.method = "POST";
    auto url = filled(spec.url, find_secret);
    if (!url) return core::fail(std::move(url.error()));
    call.url = std::move(*url);
    if (auto parsed = core::HttpUrl::parse(call.url); !parsed) {
        return core::fail(core::ErrorCode::kValidation, "executor.url " + parsed.error().message);
    }
    call.body = webhook_body(*attempt.event, spec.body);
    call.timeout_ms = spec.timeout_ms;
    call.body_bytes_max = kAnswerBytesRead;
    call.cut_body = true;
    call.pool = courier::HttpPool::kWebhooks;
    call.group = subscription.number.value;
    call.group_calls_max = spec.concurrency_max;
    call.group_per_second_max = spec.per_second_max;
    for (const auto& [name, value] : spec.headers) {
        auto text = filled(value, find_secret);
        if (!text) return core::fail(std::move(text.error()));
        call.headers.emplace_back(name, std::move(*text));
    }
    if (!says_content_type(spec.headers))
        call.headers.emplace_back("content-type", webhook_content_type(spec.body));
    const std::int64_t seconds = attempt.now_us / 1'000'000;
    call.headers.emplace_back("webhook-id", attempt.delivery_id);
    call.headers.emplace_back("webhook-timestamp", std::to_string(seconds));
    if (subscription.executor.secrets) {
        call.headers.emplace_back(
            "webhook-signature",
            webhook_signatures({attempt.delivery_id, seconds, call.body},
                               *subscription.executor.secrets, spec.signing, attempt.now_us));
    }
    call.headers.emplace_back("millrace-attempt", std::to_string(attempt.attempt));
    call.headers.emplace_back("traceparent", traceparent_of(attempt));
    return call;
}

}  // namespace millrace::runtime
