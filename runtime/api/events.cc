// GET /v2/events and GET /v2/events/{eventId}.
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/event_filter.h"
#include "store/event_search.h"
#include "store/log_reader.h"

namespace millrace::runtime::api {
namespace {

enum class EventShape : std::uint8_t { kNative, kCloudEvent };

core::Result<EventShape> shape_of(const Call& call) {
    const std::string as = call.text("as");
    if (as.empty() || as == "event") return EventShape::kNative;
    if (as == "cloudevent") return EventShape::kCloudEvent;
    return core::fail(
        core::Error(core::ErrorCode::kValidation, "query parameter as is \"" + as.substr(0, 64) +
                                                      "\"; expected event or cloudevent")
            .in("as"));
}

void append_shaped(std::string& out, EventShape shape, const store::StoredEvent& event,
                   const store::Hasher& hasher) {
    if (shape == EventShape::kCloudEvent)
        append_event_as_cloud_event(out, event, hasher);
    else
        append_event(out, event, hasher);
}

core::Result<store::SearchOrder> order_of(const Call& call) {
    const std::string order = call.text("order");
    if (order.empty() || order == "desc") return store::SearchOrder::kNewestFirst;
    if (order == "asc") return store::SearchOrder::kOldestFirst;
    return core::fail(core::Error(core::ErrorCode::kValidation, "query parameter order is \"" +
                                                                    order.substr(0, 64) +
                                                                    "\"; expected asc or desc")
                          .in("order"));
}

}  // namespace

Answer list_events(Call& call) {
    const auto shape = shape_of(call);
    if (!shape) return core::fail(shape.error());
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto from_us = call.time("from", INT64_MIN);
    if (!from_us) return core::fail(from_us.error());
    const auto to_us = call.time("to", INT64_MAX);
    if (!to_us) return core::fail(to_us.error());
    const auto order = order_of(call);
    if (!order) return core::fail(order.error());
    auto filter = EventFilter::make({.pattern = call.text("pattern"),
                                     .pattern_prefix = call.text("patternPrefix"),
                                     .source_type = call.text("sourceType"),
                                     .source_id = call.text("sourceId"),
                                     .correlation_id = call.text("correlationId"),
                                     .causation_id = call.text("causationId"),
                                     .context_id = call.text("contextId"),
                                     .filter = call.text("filter")});
    if (!filter) return core::fail(std::move(filter.error()));
    const EventCriteria& criteria = (*filter)->criteria();
    const std::string cursor = call.text("cursor");
    store::EventQuery query;
    query.tenant = call.tenant();
    query.pattern = criteria.pattern;
    query.pattern_prefix = criteria.pattern_prefix;
    query.from_us = *from_us;
    query.to_us = *to_us;
    query.source_id = criteria.source_id;
    query.correlation_id = criteria.correlation_id;
    query.causation_id = criteria.causation_id;
    query.context_id = criteria.context_id;
    query.accept = [&filter](const store::StoredEvent& event) { return (*filter)->accepts(event); };
    query.order = *order;
    query.limit = *limit;
    query.cursor = cursor;
    auto page = call.services.database().event_search().search(query);
    if (!page) return core::fail(std::move(page.error()));
    ListBody body;
    std::string text;
    for (const store::OwnedEvent& owned : page->events) {
        text.clear();
        append_shaped(text, *shape, owned.event, call.services.database().hasher());
        body.json().raw(text);
    }
    return body.finish(page->next);
}

Answer get_event(Call& call) {
    const auto shape = shape_of(call);
    if (!shape) return core::fail(shape.error());
    const std::string_view id = call.request.param("eventId");
    auto found = call.services.database().log_reader().find(call.tenant(), id);
    if (!found) return core::fail(std::move(found.error()));
    if (!*found) return not_found("event", id);
    std::string body;
    append_shaped(body, *shape, (*found)->event, call.services.database().hasher());
    ApiResponse response = json_response(200, std::move(body));
    if (*shape == EventShape::kCloudEvent) response.content_type = "application/cloudevents+json";
    return response;
}

}  // namespace millrace::runtime::api
