// Health, metrics, figures, the audit log and the description of the API itself.
#include "runtime/api/handlers.h"
#include "runtime/event/json_scan.h"
#include "store/rows/audit_log.h"

namespace millrace::runtime::api {

namespace {

std::string json_string(std::string_view text) {
    std::string out;
    core::append_json_string(out, text);
    return out;
}

// Compared as they are written: by us, so that equal texts are equal bytes. What else stands there
// (numbers of any size) need not be understood.
bool has_member(std::string_view object, std::string_view name, std::string_view wanted) {
    bool found = false;
    scan_members(object, [&](std::string_view key, std::string_view value) {
        found = key == name && value == wanted;
        return !found;
    });
    return found;
}

}  // namespace

Answer list_audit(Call& call) {
    const auto range = call.list_range();
    if (!range) return core::fail(range.error());
    const std::string kind = call.text("kind"), id = call.text("id");
    const std::string quoted_kind = json_string(kind), quoted_id = json_string(id);
    store::AuditLog::Query query;
    query.tenant = call.tenant();
    query.from_us = range->from_us;
    query.to_us = range->to_us;
    query.cursor = range->cursor;
    query.limit = range->limit;
    query.accept = [&](const store::AuditEntry& entry) {
        return (kind.empty() || has_member(entry.json, "\"kind\"", quoted_kind)) &&
               (id.empty() || has_member(entry.json, "\"id\"", quoted_id));
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
    json.field("subscriptions", registry->subscriptions.size());
    json.field("scripts", registry->scripts.size()).field("setAside", readiness.set_aside);
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

namespace {

// What is damaged, beside an answer that says ready: the rest works.
void append_set_aside(core::JsonWriter& json, const Readiness& readiness) {
    json.key("details").begin_object().key("setAside").begin_object();
    json.field("count", readiness.set_aside).key("items").begin_array();
    for (const SetAside::Row& row : readiness.set_aside_rows) {
        json.begin_object().field("kind", row.kind).field("id", row.id);
        json.field("error", row.why).end_object();
    }
    json.end_array().end_object().end_object();
}

}  // namespace

Answer healthz(Call&) { return json_response(200, R"({"status":"ok"})"); }

Answer readyz(Call& call) {
    const Readiness readiness = call.services.readiness();
    if (readiness.ready) {
        std::string body;
        core::JsonWriter json(body);
        json.begin_object().field("ready", true);
        if (readiness.set_aside > 0) append_set_aside(json, readiness);
        json.end_object();
        return json_response(200, std::move(body));
    }
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
