// POST /v2/subscriptions/preview: what a subscription would have matched among the last events.
// They are read and matched aside: it may be many, and large ones.
#include "matcher/preview.h"

#include "core/event_parser.h"
#include "matcher/subscription_spec.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/event/default_fields.h"
#include "store/log/event_search.h"

#include <charconv>
#include <memory>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kPreviewEventsDefault = 1000;
constexpr std::size_t kPreviewEventsMax = 100'000;

core::Result<std::size_t> events_of(const Call& call) {
    const auto value = call.request.query_value("events");
    if (!value) return kPreviewEventsDefault;
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), count);
    if (error == std::errc() && end == value->data() + value->size() && count >= 1 &&
        count <= kPreviewEventsMax)
        return count;
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "query parameter events is \"" + value->substr(0, 64) +
                                      "\"; expected a whole number from 1 to " +
                                      std::to_string(kPreviewEventsMax))
                          .in("events")
                          .bound(static_cast<std::int64_t>(kPreviewEventsMax)));
}

// A whole subscription may stand there, though only what concerns matching counts.
core::Status check_members(std::string_view text) {
    core::JsonDocument document;
    auto body = document.parse_object(text);
    if (!body) return core::fail(std::move(body.error()));
    for (const std::string_view name :
         {"pattern", "filters", "filter", "form", "priority", "id", "name", "executor", "retry",
          "ordering", "active", "version", "createdAt", "updatedAt"})
        (void)body->any(name);
    return body->finish();
}

core::Result<matcher::Preview> make_preview(Call& call) {
    if (auto known = check_members(call.request.body_view()); !known)
        return core::fail(known.error());
    auto spec = matcher::parse_subscription_json(call.request.body_view());
    if (!spec) return core::fail(std::move(spec.error()));
    const std::string against = call.text("against");
    if (against.empty()) return matcher::Preview::create(*spec);
    const SubscriptionRef existing =
        call.services.registry().find_subscription(call.tenant(), against);
    if (!existing) return not_found("subscription", against);
    return matcher::Preview::create(*spec, *existing->spec);
}

// Feeds the newest events, at most `wanted`.
core::Status feed(store::Database& database, const identity::Principal& by,
                  matcher::Preview& preview, std::size_t wanted) {
    core::EventParser parser;
    DefaultFields defaults;
    std::string cursor;
    std::size_t seen = 0;
    do {
        store::EventQuery query;
        query.tenant = by.tenant;
        query.limit = std::min(kListLimitMax, wanted - seen);
        query.cursor = cursor;
        auto page = database.event_search().search(query);
        if (!page) return core::fail(std::move(page.error()));
        for (const store::OwnedEvent& owned : page->events) {
            if (!may_see(by, owned.event)) continue;
            core::Envelope envelope;
            core::Error error;
            if (!parser.begin(owned.event.raw, core::BatchFormat::kJson)) continue;
            if (parser.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent)
                continue;
            defaults.fill_envelope(by.tenant, owned.event.received_at_us, envelope);
            preview.add(envelope, event_id_of(owned.event, database.hasher()));
        }
        seen += page->events.size();
        cursor = page->next;
    } while (!cursor.empty() && seen < wanted);
    preview.judge_cost();
    return {};
}

}  // namespace

void preview_subscription(Call& call, const Respond& respond) {
    const auto wanted = events_of(call);
    if (!wanted) return respond(error_response(wanted.error()));
    auto made = make_preview(call);
    if (!made) return respond(error_response(made.error()));
    auto preview = std::make_shared<matcher::Preview>(std::move(*made));
    auto status = std::make_shared<core::Status>();
    store::Database& database = call.services.database();
    const bool taken = call.services.run_aside(
        Aside::kLook,
        [preview, status, &database, by = call.request.principal, wanted = *wanted] {
            *status = feed(database, by, *preview, wanted);
        },
        [preview, status, respond] {
            respond(*status ? json_response(200, to_json(preview->result()))
                            : error_response(status->error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
