#include "runtime/edge/edge_hooks.h"

#include "core/json_writer.h"
#include "runtime/identity/limits.h"
#include "runtime/inbound/hook_transform.h"

#include <utility>

namespace millrace::runtime {

namespace {

using inbound::Incoming;

// Of a body, times the sources that are asked whether its signature is theirs.
constexpr std::size_t kTriedBytesMax = 16u << 20;

// One text for everybody who is not believed, whatever the reason.
core::Error not_believed() {
    return {core::ErrorCode::kUnauthorized,
            "the webhook is not signed as its source says it must be"};
}

// Who may write events needs no signature to be known.
bool is_known(const identity::Principal& principal) {
    return principal.scopes.has(identity::Scope::kEventsWrite);
}

inbound::HookDelivery delivery_of(const io::Request& http, std::int64_t now_us) {
    inbound::HookDelivery delivery;
    delivery.at_us = now_us;
    delivery.bytes = http.body_view().size();
    return delivery;
}

HookOutcome answered(api::ApiResponse&& response) {
    HookOutcome out;
    out.answer = std::move(response);
    return out;
}

inbound::Verdict judge(const Source& source, const Incoming& request, bool known,
                       std::int64_t now_us) {
    if (!source.active) return {.good = false, .why = "the source is not active"};
    if (source.scheme == inbound::Scheme::kNone)
        return {.good = known, .why = known ? "" : "the scheme none needs a key"};
    return inbound::verify(source.rules(), source.live_secrets(now_us), request, now_us);
}

HookOutcome accepted(const SourceBook::Entry& entry, const Incoming& request,
                     inbound::HookDelivery&& delivery) {
    const Source& source = *entry.source;
    HookOutcome out;
    out.tenant = source.tenant;
    out.script_id = source.transform_script_id;
    out.arrival = std::make_unique<inbound::HookArrival>(
        inbound::HookArrival{entry.ring, std::move(delivery)});
    if (auto made = inbound::make_hook_event(source.event_form(), request, out.event); !made) {
        out.arrival->tell("refused", core::error_code_status(made.error().code),
                          made.error().message);
        out.answer = api::error_response(made.error());
        return out;
    }
    if (!out.event.challenge.empty()) {
        out.arrival->tell("challenge", 200);
        std::string body;
        core::JsonWriter json(body);
        json.begin_object().field("challenge", out.event.challenge).end_object();
        out.answer = api::ApiResponse{.headers = {}, .body = std::move(body)};
        return out;
    }
    out.arrival->delivery.delivery_id = out.event.id;
    out.arrival->delivery.kind = out.event.kind;
    return out;
}

}  // namespace

std::vector<SourceBook::Entry> EdgeHooks::candidates(std::string_view source,
                                                     const identity::Principal& principal) const {
    return sources_.find(source,
                         is_known(principal) ? std::optional(principal.tenant) : std::nullopt);
}

HookOutcome EdgeHooks::take(const io::Request& http, std::string_view source,
                            const identity::Principal& principal) const {
    const std::int64_t now_us = clock_.wall_us();
    const std::vector<SourceBook::Entry> entries = candidates(source, principal);
    if (entries.empty() && is_known(principal)) {
        return answered(api::error_response(
            {core::ErrorCode::kNotFound,
             "no source has the id \"" + std::string(source.substr(0, 128)) + "\""}));
    }
    // Who sends without a key costs each of them a look at all of it.
    if (entries.size() > 1 && entries.size() * http.body_view().size() > kTriedBytesMax) {
        return answered(api::error_response(
            core::Error(core::ErrorCode::kPayloadTooLarge,
                        "the body is too large for a webhook without a key")
                .bound(static_cast<std::int64_t>(kTriedBytesMax / entries.size()))));
    }
    const Incoming request{
        .headers = http.headers, .content_type = http.content_type, .body = http.body_view()};
    std::string_view why;
    for (const SourceBook::Entry& entry : entries) {
        const inbound::Verdict verdict = judge(*entry.source, request, is_known(principal), now_us);
        if (verdict.good) {
            HookOutcome out = accepted(entry, request, delivery_of(http, now_us));
            if (entry.source->scheme == inbound::Scheme::kNone) out.sender = principal.key;
            return out;
        }
        why = verdict.why;
    }
    HookOutcome out = answered(api::error_response(not_believed()));
    // Of several tenants nobody can say whose it was meant to be.
    if (entries.size() == 1) {
        inbound::HookArrival arrival{entries.front().ring, delivery_of(http, now_us)};
        arrival.tell("refused", 401, why);
        out.forged = true;
        out.tenant = entries.front().source->tenant;
    }
    return out;
}

api::ApiResponse EdgeHooks::answer_options(const io::Request& http, std::string_view source,
                                           const identity::Principal& principal) const {
    api::ApiResponse answer;
    answer.status = 200;
    answer.headers.emplace_back("Allow", "POST, OPTIONS");
    const std::string_view origin = http.header("WebHook-Request-Origin");
    if (origin.empty() || candidates(source, principal).empty()) {
        answer.status = 204;
        return answer;
    }
    answer.headers.emplace_back("WebHook-Allowed-Origin", origin);
    if (const auto rate = http.header("WebHook-Request-Rate"); !rate.empty())
        answer.headers.emplace_back("WebHook-Allowed-Rate", "*");
    answer.body = "{}";
    return answer;
}

core::Status EdgeHooks::spend(const HookOutcome& outcome, std::size_t bytes) const {
    const auto sent = static_cast<std::int64_t>(bytes);
    if (outcome.sender) {
        identity::Principal sender;
        sender.tenant = outcome.tenant;
        sender.key = outcome.sender;
        return identity::take_quota(sender, 1, sent, clock_.monotonic_ns());
    }
    const auto holder = sources_.holder_of(outcome.tenant);
    if (!holder) return {};
    return identity::take_quota(*holder, 1, sent, clock_.monotonic_ns());
}

HookOutcome EdgeHooks::transformed(HookTransform& transform) {
    HookOutcome out;
    out.tenant = transform.tenant;
    out.arrival = std::move(transform.arrival);
    out.trace = std::move(transform.trace);
    out.sender = std::move(transform.sender);
    const auto refuse = [&](const core::Error& told, std::string_view why) {
        out.arrival->tell("refused", core::error_code_status(told.code), why);
        out.answer = api::error_response(told);
    };
    const ScriptRunResult& result = transform.result;
    const core::Error failed(core::ErrorCode::kInternal, "the source's transform failed");
    if (!result.status) {
        refuse(result.status.error(), result.status.error().message);
        return out;
    }
    if (!result.error.empty()) {
        refuse(failed, "transform: " + result.error);
        return out;
    }
    auto event = inbound::transformed_event(transform.event, result.result_json);
    if (!event) {
        refuse(failed, event.error().message);
        return out;
    }
    if (event->empty()) {
        out.arrival->tell("dropped", 202);
        out.answer = api::ApiResponse{
            .status = 202,
            .headers = {},
            .body = R"({"success":true,"accepted":0,"duplicates":0,"rejected":[],"events":[]})"};
        return out;
    }
    out.event.text = std::move(*event);
    return out;
}

void EdgeHooks::tell_end(IngestRequest& request) {
    inbound::HookArrival& hook = *request.hook;
    if (!request.failed() && !request.rejected.empty()) {
        const core::Error& why = request.rejected.front().error;
        return hook.tell("refused", core::error_code_status(why.code), why.message);
    }
    if (request.failed() || request.items.empty() || request.items.front().refused)
        return hook.tell("refused", 503, "the event could not be kept; the sender tries again");
    const IngestItem& item = request.items.front();
    hook.delivery.event_id = item.event_id;
    hook.tell(item.duplicate ? "duplicate" : "accepted", 202);
}

}  // namespace millrace::runtime
