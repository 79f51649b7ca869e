// What subscriptions that reach outside have beside the others: a webhook's secret, shown when it
// is made and never again, and a delivery to see whether it arrives.
#include "core/event_parser.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/registry/executor_body.h"
#include "runtime/registry/executor_specs.h"
#include "runtime/registry/secret_mask.h"

#include <utility>

namespace millrace::runtime::api {
namespace {

// "secret":"whsec_..." at the end of the executor, and at the end of the answer.
void show_secret(const Subscription& subscription, std::string& body) {
    std::string member = ",\"secret\":";
    core::append_json_string(member, subscription.executor.secrets->current);
    body.insert(body.size() - 1, member);
    const std::string& shown = subscription.executor.document;
    const std::size_t at = body.find(shown);
    if (!shown.empty() && at != std::string::npos) body.insert(at + shown.size() - 1, member);
}

core::Result<bool> read_force(const Call& call) {
    bool force = false;
    if (call.request.body_view().empty()) return force;
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    in->boolean("force", force);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return force;
}

constexpr std::string_view kTestPattern = "millrace.test";

// {"event":{...}}, or nothing: then a made-up one. Behind the text stands what parsers need.
core::Result<std::string> read_test_event(const Call& call) {
    std::string text = R"({"pattern":"millrace.test","payload":{"test":true}})";
    if (!call.request.body_view().empty()) {
        core::JsonDocument document;
        auto in = document.parse_object(call.request.body_view());
        if (!in) return core::fail(std::move(in.error()));
        const auto event = in->any("event");
        if (event && !event->is_object()) in->refuse("event", "must be an object");
        if (auto status = in->finish(); !status) return core::fail(status.error());
        if (event) text = event->raw();
    }
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    auto parsed =
        parser.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr);
    if (!parsed) {
        core::Error error = std::move(parsed.error());
        error.field = error.field.empty() ? "event" : "event." + error.field;
        error.position = core::Error::kNoPosition;
        return core::fail(std::move(error));
    }
    if (envelope.pattern != kTestPattern && !call.request.principal.may_see(envelope.pattern)) {
        return core::fail(
            core::Error(core::ErrorCode::kForbidden, "event.pattern: the key may not send '" +
                                                         std::string(envelope.pattern) + "'")
                .in("event.pattern"));
    }
    text.resize(bytes);
    return text;
}

ApiResponse tested(const DeliveryTest& test) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", test.delivered).field("outcome", test.outcome);
    json.field("deliveryId", test.delivery_id).field("durationMs", test.duration_us / 1000);
    json.field_or_null("error", test.error);
    if (test.result_json.empty())
        json.key("response").value(nullptr);
    else
        json.raw_field("response", test.result_json);
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace

Answer create_subscription(Call& call) {
    auto made = call.services.registry().table<Subscription>().create(
        change_context(call), call.request.body_view(), bounds_of<Subscription>(call));
    const SubscriptionRef created = made ? made->after : nullptr;
    Answer answer = changed<Subscription>(call, std::move(made), 201);
    if (answer && created && created->executor.secrets) show_secret(*created, answer->body);
    return answer;
}

Answer rotate_subscription_secret(Call& call) {
    const auto force = read_force(call);
    if (!force) return core::fail(force.error());
    const std::int64_t now_us = call.services.clock().wall_us();
    SubscriptionRef rotated;
    auto made = call.services.registry().table<Subscription>().amend(
        change_context(call), call.request.param("id"), "rotate-secret",
        [&](Subscription& next) -> core::Status {
            const auto old = next.executor.secrets;
            if (!next.executor.webhook || !old) {
                return core::fail(core::Error(core::ErrorCode::kValidation,
                                              "executor: only webhooks have a secret")
                                      .in("executor"));
            }
            if (!*force && !old->previous.empty() && now_us < old->previous_until_us) {
                return core::fail(core::ErrorCode::kConflict,
                                  "the secret was rotated within a day and the old one still "
                                  "signs; {\"force\":true} ends it now");
            }
            next.executor.secrets =
                keep_webhook_secrets({.current = new_webhook_secret(next.executor.webhook->signing),
                                      .previous = old->current,
                                      .previous_until_us = now_us + kSecretOverlapUs});
            return {};
        });
    if (made) rotated = made->after;
    Answer answer = changed<Subscription>(call, std::move(made), 200);
    if (!answer) return answer;
    show_secret(*rotated, answer->body);
    std::string until = ",\"previousUntil\":";
    core::append_json_string(until,
                             core::format_timestamp(rotated->executor.secrets->previous_until_us));
    answer->body.insert(answer->body.size() - 1, until);
    return answer;
}

void test_subscription(Call& call, const Respond& respond) {
    const std::string_view id = call.request.param("id");
    const auto subscription =
        call.services.registry().table<Subscription>().find(call.tenant(), id);
    if (!subscription) return respond(error_response(not_found("subscription", id).value()));
    auto event = read_test_event(call);
    if (!event) return respond(error_response(event.error()));
    if (subscription->executor.type == ExecutorType::kScript) {
        return respond(error_response(
            core::Error(core::ErrorCode::kValidation,
                        "executor.type is \"script\"; only what reaches outside is tested")
                .in("executor.type")));
    }
    call.services.test_delivery(subscription, std::move(*event), [respond](DeliveryTest&& test) {
        if (!test.status) return respond(error_response(test.status.error()));
        respond(tested(test));
    });
}

}  // namespace millrace::runtime::api
