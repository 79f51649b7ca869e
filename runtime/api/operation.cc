// Health, metrics, figures, the audit log and the description of the API itself.
#include "runtime/api/handlers.h"
#include "store/rows/audit_log.h"

namespace millrace::runtime::api {

Answer list_audit(Call& call) {
    const auto range = call.list_range();
    if (!range) return core::fail(range.error());
    const std::string kind = call.text("kind"), id = call.text("id");
    core::JsonDocument document;
    const auto is = [](core::JsonElement entry, const char* name, const std::string& wanted) {
        std::string_view text;
        core::JsonElement member;
        return wanted.empty() || (entry.find(name, member) && member.get(text) && text == wanted);
    };
    store::AuditLog::Query query;
    query.tenant = call.tenant();
    query.from_us = range->from_us;
    query.to_us = range->to_us;
    query.cursor = range->cursor;
    query.limit = range->limit;
    query.accept = [&](const store::AuditEntry& entry) {
        const auto root = document.parse(entry.json);
        return root && is(*root, "kind", kind) && is(*root, "id", id);
    };
    auto page = call.services.database().audit().list(query);
    if (!page) return core::fail(std::move(page.error()));
    ListBody body;
    for (const store::AuditEntry& entry : page->entries) {
        body.json().begin_object();
        time_field(body.json(), "at", entry.at_us).raw_field("entry", entry.json).end_object();
    }
    return body.finish(page->next);
}

Answer stats(Call& call) {
    std::string body;
    core::JsonWriter json(body);
    const store::Database::Stats store = call.services.database().stats();
    const RegistrySnapshotRef registry = call.services.registry().snapshot();
    const Readiness readiness = call.services.readiness();
    core::Metrics& metrics = call.services.metrics();
    json.begin_object().field("ready", readiness.ready).field_or_null("reason", readiness.reason);
    json.field("subscriptions", registry->subscriptions.size())
        .field("scripts", registry->scripts.size());
    json.key("events").begin_object().field("kept", store.events);
    json.field("received", metrics.sum(core::Metric::kEventsReceived));
    json.field("processed", metrics.sum(core::Metric::kEventsProcessed));
    json.field("duplicate", metrics.sum(core::Metric::kEventsDuplicate));
    json.field("dropped", metrics.sum(core::Metric::kEventsDropped)).end_object();
    json.key("deliveries").begin_object().field("attempts", metrics.sum(core::Metric::kAttempts));
    json.field("waiting", metrics.sum(core::Metric::kQueueSize)).field("retries", store.retries);
    json.field("deadLetters", store.dead_letters).end_object();
    json.key("store")
        .begin_object()
        .field("bytes", store.log_bytes)
        .field("unsyncedBytes", store.unsynced_bytes)
        .end_object();
    json.key("errors").begin_array();
    for (const core::Log::DistinctError& error : call.services.log().distinct_errors()) {
        json.begin_object()
            .field("level", core::log_level_text(error.level))
            .field("message", error.message);
        json.field("site", error.site).field("count", error.count);
        time_field(json, "first", error.first_us);
        time_field(json, "last", error.last_us).end_object();
    }
    json.end_array();
    call.services.append_stats(json);
    json.end_object();
    return json_response(200, std::move(body));
}

Answer healthz(Call&) { return json_response(200, R"({"status":"ok"})"); }

Answer readyz(Call& call) {
    const Readiness readiness = call.services.readiness();
    if (readiness.ready) return json_response(200, R"({"ready":true})");
    return core::fail(core::Error(core::ErrorCode::kUnavailable, "not ready: " + readiness.reason)
                          .retry_after(1));
}

Answer metrics(Call& call) {
    ApiResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    call.services.metrics().export_text(response.body);
    return response;
}

Answer open_api(Call&) { return json_response(200, openapi_json()); }

}  // namespace millrace::runtime::api
