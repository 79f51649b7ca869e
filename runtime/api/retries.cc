// GET /v2/retries: the deliveries that wait for their next attempt, by due time, then the parked
// ones: they wait for an earlier delivery of their partition key.
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/event/json_scan.h"
#include "store/log/log_reader.h"
#include "store/rows/retry_schedule.h"

#include <cstdint>
#include <limits>

namespace millrace::runtime::api {
namespace {

// The waiting row's state ends in the history of its attempts: a JSON array.
std::string_view history_of(std::string_view state) {
    const std::size_t at = state.find('[');
    return at == std::string_view::npos ? std::string_view("[]") : state.substr(at);
}

// The error of the last attempt as JSON text, or null.
std::string_view last_error(std::string_view history) {
    std::string_view error = "null";
    scan_items(history, [&](std::string_view attempt) {
        scan_members(attempt, [&](std::string_view key, std::string_view value) {
            if (key == "\"error\"") error = value;
            return true;
        });
        return true;
    });
    return error;
}

std::int64_t due_us_of(Call& call, const store::RetryRow& row) {
    return waits_for_wall_clock(row.state) ? row.due_at_us
                                           : call.services.due_clock().to_wall_us(row.due_at_us);
}

void append_retry(core::JsonWriter& json, Call& call, const store::RetryRow& row,
                  const store::StoredEvent* event) {
    store::Database& database = call.services.database();
    const RegistrySnapshotRef registry = call.services.registry().snapshot();
    const Subscription* subscription = registry->subscription(row.delivery.subscription);
    json.begin_object().field("executionId",
                              store::encode_execution_id(database.hasher(), row.delivery));
    json.field_or_null("eventId", event ? event_id_of(*event, database.hasher()) : std::string());
    json.field_or_null("eventType", event ? event->pattern : std::string_view{});
    json.field_or_null("subscriptionId",
                       subscription ? std::string_view(subscription->id) : std::string_view{});
    json.field_or_null("scriptId", subscription ? std::string_view(subscription->executor.script_id)
                                                : std::string_view{});
    json.field("attempt", row.attempt);
    if (row.parked() || row.held()) {
        json.raw_field("dueAt", "null").raw_field("nextRetryAt", "null");
    } else {
        const std::int64_t due_us = due_us_of(call, row);
        time_field(json, "dueAt", due_us);
        time_field(json, "nextRetryAt", due_us);
    }
    json.field("parked", row.parked()).field("held", row.held());
    const std::string_view history = history_of(row.state);
    json.raw_field("error", last_error(history)).raw_field("attempts", history);
    time_field(json, "createdAt", row.created_at_us).end_object();
}

}  // namespace

Answer list_retries(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const std::string cursor = call.text("cursor");
    auto page = call.services.database().retries().list(
        cursor, *limit,
        [&call](const store::RetryRow& row) { return row.tenant == call.tenant(); });
    if (!page) return core::fail(std::move(page.error()));
    ListBody body;
    ListPlaces places(call.request);
    // A page is shorter by what the key's patterns leave out: no more events are read than it has.
    const identity::Principal& by = call.request.principal;
    for (std::size_t i = 0; i < page->rows.size(); ++i) {
        const store::RetryRow& row = page->rows[i].row;
        const auto read = call.services.database().log_reader().read_event(row.delivery.position);
        const store::StoredEvent* const event = read && *read ? &(*read)->event : nullptr;
        if (event ? !may_see(by, *event) : by.is_bounded()) continue;
        append_retry(body.json(), call, row, event);
        if (!places.wanted()) continue;
        places.begin_at(store::RetrySchedule::cursor_at(row));
        // What waits for no time is behind all that does.
        places.add(row.parked() || row.held() ? std::numeric_limits<std::int64_t>::max()
                                              : due_us_of(call, row),
                   i + 1 < page->rows.size()
                       ? store::RetrySchedule::cursor_at(page->rows[i + 1].row)
                       : page->next);
    }
    ApiResponse response = body.finish(page->next);
    places.append_to(response);
    return response;
}

}  // namespace millrace::runtime::api
