// GET /v2/executions and GET /v2/executions/{id}.
#include "store/executions.h"

#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/handlers.h"
#include "store/log_reader.h"

namespace millrace::runtime::api {

using store::DeliveryStatus;

std::string_view delivery_status_text(DeliveryStatus status) {
    switch (status) {
        case DeliveryStatus::kCompleted: return "completed";
        case DeliveryStatus::kFailed: return "failed";
        case DeliveryStatus::kRetrying: return "retrying";
        case DeliveryStatus::kDead: return "dead";
    }
    return "failed";
}

std::string event_id_at(Services& services, core::LogPosition position) {
    const auto event = services.database().log_reader().read_event(position);
    if (!event || !*event) return {};
    return event_id_of((*event)->event, services.database().hasher());
}

void append_execution(core::JsonWriter& json, Services& services, const store::Execution& execution,
                      std::string_view event_id) {
    const RegistrySnapshotRef registry = services.registry().snapshot();
    const Subscription* subscription = registry->subscription(execution.delivery.subscription);
    json.begin_object();
    json.field("id", store::encode_execution_id(services.database().hasher(), execution.delivery));
    json.field_or_null("eventId", event_id);
    json.field_or_null("subscriptionId",
                       subscription ? std::string_view(subscription->id) : std::string_view{});
    json.field_or_null("scriptId", subscription ? std::string_view(subscription->executor.script_id)
                                                : std::string_view{});
    json.field("scriptVersion", execution.script_version);
    json.field("status", delivery_status_text(execution.status)).key("attempts").begin_array();
    for (const store::ExecutionAttempt& attempt : execution.attempts) {
        if (attempt.attempt == 0) continue;  // put off before it began
        json.begin_object();
        time_field(json, "at", attempt.started_at_us).field("durationUs", attempt.duration_us);
        json.field_or_null("error", attempt.error).end_object();
    }
    json.end_array().raw_field("logs",
                               execution.logs.empty() ? "[]" : std::string_view(execution.logs));
    json.raw_field("result", execution.result.empty() ? "null" : std::string_view(execution.result))
        .end_object();
}

namespace {

core::Status read_status(const Call& call, std::optional<DeliveryStatus>& status) {
    const std::string text = call.text("status");
    if (text.empty()) return {};
    for (const auto known : {DeliveryStatus::kCompleted, DeliveryStatus::kFailed,
                             DeliveryStatus::kRetrying, DeliveryStatus::kDead}) {
        if (text == delivery_status_text(known)) status = known;
    }
    if (status) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "query parameter status is \"" + text.substr(0, 64) +
                                      "\"; expected completed, failed, retrying or dead")
                          .in("status"));
}

// The subscriptions that scriptId and subscriptionId select; false when that is none at all.
bool select_subscriptions(const Call& call, std::vector<core::SubscriptionId>& out) {
    const std::string script_id = call.text("scriptId");
    const std::string subscription_id = call.text("subscriptionId");
    if (script_id.empty() && subscription_id.empty()) return true;
    const auto take = [&](const SubscriptionRef& subscription) {
        if (script_id.empty() || subscription->executor.script_id == script_id)
            out.push_back(subscription->number);
        return true;
    };
    if (subscription_id.empty()) {
        call.services.registry().list_subscriptions(call.tenant(), "", take);
    } else if (const auto found =
                   call.services.registry().find_subscription(call.tenant(), subscription_id)) {
        take(found);
    }
    return !out.empty();
}

bool is_of_tenant(Services& services, const store::Execution& execution, core::TenantId tenant) {
    const RegistrySnapshotRef registry = services.registry().snapshot();
    if (const auto* subscription = registry->subscription(execution.delivery.subscription))
        return subscription->tenant == tenant;
    const auto event = services.database().log_reader().read_event(execution.delivery.position);
    return event && *event && (*event)->event.tenant == tenant;
}

}  // namespace

Answer list_executions(Call& call) {
    store::ExecutionQuery query;
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto from_us = call.time("from", INT64_MIN);
    if (!from_us) return core::fail(from_us.error());
    const auto to_us = call.time("to", INT64_MAX);
    if (!to_us) return core::fail(to_us.error());
    if (auto status = read_status(call, query.status); !status) return core::fail(status.error());
    ListBody body;
    if (!select_subscriptions(call, query.subscriptions)) return body.finish("");
    if (const std::string event_id = call.text("eventId"); !event_id.empty()) {
        auto event = call.services.database().log_reader().find(call.tenant(), event_id);
        if (!event) return core::fail(std::move(event.error()));
        if (!*event) return body.finish("");
        query.event = (*event)->event.position;
    }
    const std::string cursor = call.text("cursor");
    query.from_us = *from_us;
    query.to_us = *to_us;
    query.limit = *limit;
    query.cursor = cursor;
    query.accept = [&call](const store::Execution& execution) {
        return is_of_tenant(call.services, execution, call.tenant());
    };
    auto page = call.services.database().executions().list(query);
    if (!page) return core::fail(std::move(page.error()));
    for (const store::Execution& execution : page->executions) {
        append_execution(body.json(), call.services, execution,
                         event_id_at(call.services, execution.delivery.position));
    }
    return body.finish(page->next);
}

Answer get_execution(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto key = store::decode_execution_id(call.services.database().hasher(), id);
    if (!key) return not_found("execution", id);
    auto execution = call.services.database().executions().get(*key);
    if (!execution) return core::fail(std::move(execution.error()));
    if (!*execution || !is_of_tenant(call.services, **execution, call.tenant()))
        return not_found("execution", id);
    std::string body;
    core::JsonWriter json(body);
    append_execution(json, call.services, **execution, event_id_at(call.services, key->position));
    return json_response(200, std::move(body));
}

}  // namespace millrace::runtime::api
