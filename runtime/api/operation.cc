// Health, metrics, figures and the description of the API itself.
#include "core/buffer.h"
#include "core/duration.h"
#include "io/content_coding.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/api/openapi.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

namespace {

// What is a tenant's own; figures of the whole server are the platform's.
Answer own_stats(Call& call) {
    const Registry& registry = call.services.registry();
    const Readiness readiness = call.services.readiness();
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("ready", readiness.ready);
    json.field("subscriptions", registry.table<Subscription>().size(call.tenant()));
    json.field("scripts", registry.table<Script>().size(call.tenant())).end_object();
    return json_response(200, std::move(body));
}

}  // namespace

namespace {

// A duration of the query, from a second to what is kept.
core::Result<std::int64_t> read_span(const Call& call, std::string_view name, std::int64_t absent) {
    const auto value = call.request.query_value(name);
    if (!value) return absent;
    constexpr std::int64_t kMost =
        static_cast<std::int64_t>(StatsSeries::kSamplesMax) * StatsSeries::kEveryUs;
    std::int64_t us = 0;
    if (core::parse_told_duration_us(*value, us) && us >= StatsSeries::kEveryUs && us <= kMost)
        return us;
    return core::fail(
        core::Error(core::ErrorCode::kValidation, "query parameter " + std::string(name) +
                                                      " is \"" + value->substr(0, 64) +
                                                      "\"; expected a duration from 1s to 15m")
            .in(std::string(name))
            .bound(kMost / 1'000'000));
}

core::Status append_series(core::JsonWriter& json, const Call& call) {
    const auto window = read_span(call, "window", 900'000'000);
    if (!window) return core::fail(window.error());
    const auto step = read_span(call, "step", std::max<std::int64_t>(1'000'000, *window / 180));
    if (!step) return core::fail(step.error());
    json.field("windowSeconds", *window / 1'000'000).field("stepSeconds", *step / 1'000'000);
    json.key("series");
    // Whoever adds up several series is told what percentiles are made of.
    const bool adds = !call.request.header(kPlacesHeader).empty();
    call.services.stats_series()->append_series(
        json, *window, *step, adds ? StatsSeries::Buckets::kTold : StatsSeries::Buckets::kLeftOut);
    return {};
}

}  // namespace

Answer stats(Call& call) {
    const bool series = call.request.query_value("window") || call.request.query_value("step");
    if (call.tenant() != kPlatform) {
        if (!series) return own_stats(call);
        return core::fail(core::ErrorCode::kForbidden,
                          "series are of the whole server, whose figures are the platform's");
    }
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
    for (const std::string_view status : {"completed", "failed", "unmatched"})
        json.field(status, metrics.sum_where(core::Metric::kEventsProcessed, 1, status));
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
    if (series && call.services.stats_series()) {
        if (auto appended = append_series(json, call); !appended)
            return core::fail(appended.error());
    }
    json.end_object();
    return json_response(200, std::move(body));
}

namespace {

// What is damaged, beside an answer that says ready: the rest works.
// Which documents it is, only those are told who may see them.
void append_set_aside(core::JsonWriter& json, const Readiness& readiness, bool knows) {
    json.key("details").begin_object().key("setAside").begin_object();
    json.field("count", readiness.set_aside).key("items").begin_array();
    for (const SetAside::Row& row : readiness.set_aside_rows) {
        if (!knows) break;
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
        const identity::Principal& by = call.request.principal;
        const bool knows = by.tenant == kPlatform && by.scopes.has(identity::Scope::kStatsRead);
        if (readiness.set_aside > 0) append_set_aside(json, readiness, knows);
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

namespace {

core::BufferRef buffer_of(core::BufferPool& pool, std::string_view text) {
    core::BufferRef out = pool.acquire(text.size());
    std::copy(text.begin(), text.end(), out.data());
    out.set_size(text.size());
    return out;
}

}  // namespace

// Made once: it is some hundred kilobytes of text that depend on nothing but the build. Who does
// not read it holds a reference, not a copy.
Answer open_api(Call&) {
    struct Made {
        core::BufferPool pool;
        core::BufferRef text, gzip;
    };
    static const Made* const once = [] {
        auto* made = new Made;  // for as long as the process lives: answers may outlive all else
        const std::string text = openapi_json();
        made->text = buffer_of(made->pool, text);
        made->gzip = buffer_of(made->pool, io::deflate_gzip(text));
        return made;
    }();
    ApiResponse response;
    response.shared = once->text;
    response.shared_gzip = once->gzip;
    return response;
}

}  // namespace millrace::runtime::api
