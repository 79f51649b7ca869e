// GET /v2/events and GET /v2/events/{eventId}.
#include "runtime/api/event_lookup.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/event/event_filter.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"
#include "store/rows/page_cursor.h"

#include <memory>
#include <utility>
#include <vector>

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

// A listing under way. The query's views point into the filter and the texts beside it.
struct Listing {
    EventShape shape = EventShape::kNative;
    std::unique_ptr<EventFilter> filter;
    std::string cursor;
    store::EventQuery query;
    core::Result<store::EventPage> page;
    std::unique_ptr<ListPlaces> places;
    bool counting = false;  // ?count=1: how many there are, instead of them
    std::uint64_t counted = 0;
};

// What the API thread looks through itself; a search that needs more goes on aside. The others
// bound one request: the page then holds fewer events and a cursor. Blocks of single events are
// small and many.
constexpr std::size_t kBlocksAtOnce = 16;
constexpr std::size_t kBlocksAside = 100'000;
constexpr std::uint64_t kEventsAside = 4'000'000;

core::Result<bool> counting_of(const Call& call) {
    const std::string count = call.text("count");
    if (count.empty() || count == "0") return false;
    if (count == "1") return true;
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "query parameter count is \"" + count.substr(0, 64) + "\"; expected 0 or 1")
            .in("count"));
}

core::Result<std::shared_ptr<Listing>> read_listing(Call& call) {
    auto listing = std::make_shared<Listing>();
    listing->places = std::make_unique<ListPlaces>(call.request);
    const auto shape = shape_of(call);
    if (!shape) return core::fail(shape.error());
    listing->shape = *shape;
    auto range = call.list_range();
    if (!range) return core::fail(std::move(range.error()));
    auto source = source_choice(call);
    if (!source) return core::fail(std::move(source.error()));
    const auto order = order_of(call);
    if (!order) return core::fail(order.error());
    const auto counting = counting_of(call);
    if (!counting) return core::fail(counting.error());
    listing->counting = *counting;
    const auto event_from_us = call.time("eventTimeFrom", INT64_MIN);
    if (!event_from_us) return core::fail(event_from_us.error());
    const auto event_to_us = call.time("eventTimeTo", INT64_MAX);
    if (!event_to_us) return core::fail(event_to_us.error());
    auto filter = EventFilter::make({.pattern = call.text("pattern"),
                                     .pattern_prefix = call.text("patternPrefix"),
                                     .source_type = std::move(source->type),
                                     .source_id = std::move(source->id),
                                     .correlation_id = call.text("correlationId"),
                                     .causation_id = call.text("causationId"),
                                     .context_id = call.text("contextId"),
                                     .filter = call.text("filter"),
                                     .event_time_from_us = *event_from_us,
                                     .event_time_to_us = *event_to_us});
    if (!filter) return core::fail(std::move(filter.error()));
    listing->filter = std::move(*filter);
    listing->cursor = std::move(range->cursor);
    const EventCriteria& criteria = listing->filter->criteria();
    store::EventQuery& query = listing->query;
    query.tenant = call.tenant();
    query.pattern = listing->filter->exact_pattern();
    query.pattern_prefix = listing->filter->pattern_prefix();
    query.from_us = range->from_us;
    query.to_us = range->to_us;
    query.source_id = criteria.source_id;
    query.correlation_id = criteria.correlation_id;
    query.causation_id = criteria.causation_id;
    query.context_id = criteria.context_id;
    query.accept = [listing = listing.get(),
                    by = call.request.principal](const store::StoredEvent& event) {
        if (!listing->filter->accepts(event) || !may_see(by, event)) return false;
        if (!listing->counting) return true;
        ++listing->counted;
        return false;
    };
    query.order = *order;
    query.limit = range->limit;
    query.cursor = listing->cursor;
    query.blocks_max = kBlocksAtOnce;
    query.events_max = kEventsAside;
    return listing;
}

// A cursor of a log that is one shard, as a partition's is.
void add_place(const Listing& listing, const store::StoredEvent& event) {
    const bool newest = listing.query.order == store::SearchOrder::kNewestFirst;
    const std::uint64_t offset = event.position.offset.value;
    const char kind = newest ? 'n' : 'o';
    listing.places->begin_at(store::encode_cursor_numbers(kind, {newest ? offset + 1 : offset}));
    listing.places->add(event.received_at_us,
                        store::encode_cursor_numbers(kind, {newest ? offset : offset + 1}));
}

ApiResponse listing_response(const Listing& listing, const store::Hasher& hasher) {
    if (!listing.page) return error_response(listing.page.error());
    if (listing.counting) {
        std::string counted;
        core::JsonWriter json(counted);
        json.begin_object()
            .field("count", listing.counted)
            .field_or_null("next", listing.page->next);
        json.field("scanned", listing.page->events_seen);
        json.field("searched", listing.page->searched).end_object();
        return json_response(200, std::move(counted));
    }
    ListBody body;
    std::string text;
    for (const store::OwnedEvent& owned : listing.page->events) {
        text.clear();
        append_shaped(text, listing.shape, owned.event, hasher);
        body.json().raw(text);
        if (listing.places->wanted()) add_place(listing, owned.event);
    }
    ApiResponse response =
        body.finish_search(listing.page->next, listing.page->events_seen, listing.page->searched);
    listing.places->append_to(response);
    return response;
}

// Anew, not behind what was found at once: one that waits holds no page.
void search_aside(Listing& listing, store::EventSearch& search) {
    listing.query.blocks_max = kBlocksAside;
    listing.page = search.search(listing.query);
}

}  // namespace

void list_events(Call& call, const Respond& respond) {
    auto read = read_listing(call);
    if (!read) return respond(error_response(read.error()));
    std::shared_ptr<Listing> listing = std::move(*read);
    store::Database& database = call.services.database();
    listing->page = database.event_search().search(listing->query);
    const bool whole = !listing->page || listing->page->next.empty() || listing->page->full;
    if (whole) return respond(listing_response(*listing, database.hasher()));
    listing->page = store::EventPage{};
    listing->counted = 0;
    const bool taken = call.services.run_aside(
        Aside::kLook, [listing, &database] { search_aside(*listing, database.event_search()); },
        [listing, &database, respond] { respond(listing_response(*listing, database.hasher())); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

Answer get_event(Call& call) {
    const auto shape = shape_of(call);
    if (!shape) return core::fail(shape.error());
    const auto source = source_choice(call);
    if (!source) return core::fail(source.error());
    const std::string_view id = call.request.param("eventId");
    store::Database& database = call.services.database();
    auto found = find_event(database, call.tenant(), id, *source);
    if (!found) return core::fail(std::move(found.error()));
    if (!*found || !may_see(call.request.principal, **found)) return not_found("event", id);
    std::string body;
    if ((*found)->stands_in && *shape == EventShape::kNative)
        append_as_sent(body, (*found)->event.event, database.hasher());
    else
        append_shaped(body, *shape, (*found)->event.event, database.hasher());
    if (*shape == EventShape::kNative) {
        body.pop_back();
        append_other_sources(body, (*found)->others);
        body += '}';
    }
    ApiResponse response = json_response(200, std::move(body));
    if (*shape == EventShape::kCloudEvent) response.content_type = "application/cloudevents+json";
    return response;
}

}  // namespace millrace::runtime::api
