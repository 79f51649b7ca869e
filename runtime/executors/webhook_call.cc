#include "runtime/executors/webhook_call.h"

#include "core/http_url.h"
#include "runtime/event/trace_context.h"
#include "runtime/executors/webhook_answer.h"
#include "runtime/executors/webhook_signature.h"
#include "runtime/executors/webhook_transform.h"
#include "runtime/registry/executor_body.h"

#include <algorithm>
#include <utility>

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

bool same_name(std::string_view one, std::string_view other) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                      [&](char a, char b) { return lower(a) == lower(b); });
}

template <typename Headers>
bool holds_header(const Headers& headers, std::string_view name) {
    return std::any_of(headers.begin(), headers.end(),
                       [&](const auto& header) { return same_name(header.first, name); });
}

// Those of a transform first: a subscription's of the same name give way.
core::Status add_headers(const OutgoingAttempt& attempt, const FindSecret& find_secret,
                         courier::HttpCall& call) {
    const WebhookSpec& spec = *attempt.subscription->executor.webhook;
    if (attempt.reshaped) {
        for (const auto& [name, value] : attempt.reshaped->headers)
            call.headers.emplace_back(name, value);
    }
    for (const auto& [name, value] : spec.headers) {
        if (attempt.reshaped && holds_header(attempt.reshaped->headers, name)) continue;
        auto text = filled(value, find_secret);
        if (!text) return core::fail(std::move(text.error()));
        call.headers.emplace_back(name, std::move(*text));
    }
    if (!holds_header(call.headers, "content-type"))
        call.headers.emplace_back("content-type", attempt.reshaped
                                                      ? attempt.reshaped->content_type
                                                      : webhook_content_type(spec.body));
    return {};
}

// What belongs together by its correlation is one trace, each attempt a span.
void add_trace(const OutgoingAttempt& attempt, courier::HttpCall& call) {
    const TraceContext trace =
        trace_of_attempt({attempt.event->fills, chain_of(*attempt.event), attempt.delivery_id,
                          attempt.attempt, attempt.replay},
                         attempt.sample)
            .own;
    call.headers.emplace_back("traceparent", traceparent_text(trace));
    if (!trace.state.empty() && !holds_header(call.headers, "tracestate"))
        call.headers.emplace_back("tracestate", trace.state);
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
    call.body = attempt.reshaped ? attempt.reshaped->body : webhook_body(*attempt.event, spec.body);
    call.timeout_ms = spec.timeout_ms;
    call.body_bytes_max = kAnswerBytesRead;
    call.cut_body = true;
    call.pool = courier::HttpPool::kWebhooks;
    call.owner = subscription.tenant.value;
    call.group = subscription.number.value;
    call.group_calls_max = spec.concurrency_max;
    call.group_per_second_max = spec.per_second_max;
    if (auto added = add_headers(attempt, find_secret, call); !added)
        return core::fail(added.error());
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
    if (!attempt.epoch.empty()) call.headers.emplace_back("millrace-epoch", attempt.epoch);
    add_trace(attempt, call);
    return call;
}

}  // namespace millrace::runtime
