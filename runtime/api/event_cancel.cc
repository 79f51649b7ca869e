// DELETE /v2/events/{eventId}: what has not been delivered of an event is not delivered any more: a
// scheduled event that has not come, retries, what waits behind others or in the log.
#include "core/event_parser.h"
#include "matcher/subscription_spec.h"
#include "runtime/api/audit.h"
#include "runtime/api/event_lookup.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/delivery/cancelled_events.h"
#include "runtime/delivery/delivery_events.h"
#include "runtime/event/default_fields.h"
#include "store/rows/executions.h"
#include "store/rows/retry_schedule.h"

#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace millrace::runtime::api {
namespace {

struct Cancel {
    Services& services;
    identity::Principal by;
    std::string id, members;
    SourceChoice source;

    core::LogPosition place{};
    std::string event_id{};
    bool scheduled = false;  // and its time has not come
    std::uint64_t waiting = 0;
    std::vector<store::OwnedRetry> rows{};
    core::Status status{};
};

// Which subscriptions it is for, as things are now; and when it is due.
std::vector<core::SubscriptionId> wanted_by(Services& services, const store::StoredEvent& event,
                                            std::int64_t& scheduled_at_us) {
    std::string text(event.raw);
    text.append(core::kPaddingBytes, ' ');
    auto& reader = services.matcher_reader();
    const matcher::Snapshot& snapshot = reader.observe();
    core::EventParser parser;
    core::Envelope envelope;
    core::FieldTable fields;
    parser.extract(std::string_view(text).substr(0, event.raw.size()), snapshot.plan(), &envelope,
                   fields);
    DefaultFields defaults;
    defaults.fill(snapshot.plan(), envelope, event.tenant, event.received_at_us, fields);
    defaults.fill_envelope(event.tenant, event.received_at_us, envelope);
    scheduled_at_us = envelope.scheduled_at_us;
    matcher::MatchScratch scratch;
    std::vector<core::SubscriptionId> matched;
    snapshot.match(envelope, event.tenant, fields, scratch, matched);
    const RegistrySnapshotRef registry = services.registry().snapshot();
    std::erase_if(matched, [&](core::SubscriptionId number) {
        const Subscription* of = registry->subscription(number);
        return !of || !of->is_effective_at(event.position) ||
               (is_delivery_event(envelope.pattern) &&
                !asks_for_delivery_events(of->spec->pattern));
    });
    reader.offline();
    return matched;
}

// What waits: what is on record as waiting, and what is wanted and has no record.
core::Status count_waiting(Cancel& cancel, const store::StoredEvent& event) {
    std::int64_t scheduled_at_us = 0;
    const auto wanted = wanted_by(cancel.services, event, scheduled_at_us);
    cancel.scheduled = scheduled_at_us > cancel.services.clock().wall_us();
    std::set<std::uint32_t> without_outcome;
    for (const core::SubscriptionId number : wanted) without_outcome.insert(number.value);
    store::ExecutionQuery query;
    query.event = event.position;
    query.limit = 1'000'000;
    auto page = cancel.services.database().executions().list(query);
    if (!page) return core::fail(std::move(page.error()));
    for (const store::Execution& execution : page->executions) {
        if (execution.attempts.empty() || !execution.replay_id.empty()) continue;
        without_outcome.erase(execution.delivery.subscription.value);
        cancel.waiting += execution.status == store::DeliveryStatus::kRetrying;
    }
    cancel.waiting += without_outcome.size();
    return {};
}

core::Status mark(Cancel& cancel) {
    auto found = find_event(cancel.services.database(), cancel.by.tenant, cancel.id, cancel.source);
    if (!found) return core::fail(std::move(found.error()));
    if (!*found || !may_see(cancel.by, (*found)->event.event)) return not_found("event", cancel.id);
    const store::StoredEvent& event = (*found)->event.event;
    cancel.place = event.position;
    cancel.event_id = event_id_of(event, cancel.services.database().hasher());
    if (auto counted = count_waiting(cancel, event); !counted) return counted;
    CancelledEvents& cancelled = cancel.services.cancelled_events();
    if (cancelled.holds(event.position))
        return core::fail(core::ErrorCode::kConflict,
                          "event " + cancel.event_id + " is cancelled already");
    // One whose time has not come can be cancelled also where nobody waits for it.
    if (cancel.waiting == 0 && !cancel.scheduled)
        return core::fail(
            core::ErrorCode::kConflict,
            "nothing is to be cancelled: no delivery of event " + cancel.event_id + " waits");
    if (cancelled.size() >= CancelledEvents::kCancelledMax)
        return core::fail(core::Error(core::ErrorCode::kRateLimited,
                                      "there are 100000 cancelled events of which deliveries may "
                                      "still wait; a start forgets those of which none does")
                              .retry_after(60));
    const std::int64_t now_us = cancel.services.clock().wall_us();
    std::string entry, row;
    core::JsonWriter said(row);
    said.begin_object().field("atUs", now_us).end_object();
    core::JsonWriter json(entry);
    json.begin_object().field("action", "cancel").field("kind", "event");
    json.field("id", cancel.event_id).field("by", identity::actor_of(cancel.by));
    json.field("shard", event.position.shard.value).field("offset", event.position.offset.value);
    json.field("waiting", cancel.waiting).end_object();
    entry.insert(entry.size() - 1, "," + cancel.members);
    auto written = cancel.services.registry().write_row(
        {std::string(kCancelledEventKind), cancelled_event_id(event.position), 1, now_us, row},
        now_us, cancel.by.tenant, entry);
    if (written) cancelled.add(event.position);
    return written;
}

// Rows that would wait on until they are due. Those that are parked go at their turn.
void collect_rows(Cancel& cancel) {
    cancel.status = cancel.services.database().retries().visit_all([&](const store::RetryRow& row) {
        if (row.parked()) return false;
        if (row.delivery.position == cancel.place)
            cancel.rows.push_back({row, {row.state.begin(), row.state.end()}});
        return true;
    });
}

ApiResponse answer_of(const Cancel& cancel) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("eventId", cancel.event_id);
    json.field("shard", cancel.place.shard.value).field("offset", cancel.place.offset.value);
    json.field("cancelled", cancel.waiting).end_object();
    return json_response(200, std::move(body));
}

}  // namespace

// Three steps: it is cancelled, durably; then what waits in rows is looked for, and let end. A
// crash between them leaves only rows that end when they are due.
void cancel_event(Call& call, const Respond& respond) {
    auto source = source_choice(call);
    if (!source) return respond(error_response(source.error()));
    auto cancel = std::make_shared<Cancel>(Cancel{call.services, call.request.principal,
                                                  std::string(call.request.param("eventId")),
                                                  audit_members(call.request), *source});
    if (auto marked = mark(*cancel); !marked) return respond(error_response(marked.error()));
    const bool taken = call.services.run_aside(
        Aside::kLook, [cancel] { collect_rows(*cancel); },
        [cancel, respond] {
            if (!cancel->status) return respond(error_response(cancel->status.error()));
            cancel->services.let_cancelled_end(std::move(cancel->rows),
                                               [cancel, respond] { respond(answer_of(*cancel)); });
        });
    if (!taken) respond(answer_of(*cancel));
}

}  // namespace millrace::runtime::api
