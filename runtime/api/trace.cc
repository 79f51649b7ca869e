// GET /v2/events/{eventId}/trace: the chain of causes above an event, the tree of effects below it,
// and what the handlers did with each. Effects are searched for in everything that came after their
// cause, event by event, so that it is done aside.
#include "core/event_parser.h"
#include "core/limits.h"
#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/handlers.h"
#include "runtime/event/event_filter.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"

#include <deque>
#include <memory>
#include <set>
#include <utility>

namespace millrace::runtime::api {
namespace {

// A trace is for people to look at: more events than this are cut, and the answer says so.
constexpr std::size_t kTraceEventsMax = 200;
constexpr std::size_t kTraceDeliveriesMax = 1000;

// An effect is received after its cause, but for steps of the wall clock.
constexpr std::int64_t kClockStepUs = 3'600'000'000;

struct Tracer {
    Services& services;
    core::TenantId tenant;
    std::set<core::LogPosition> seen = {};
    bool truncated = false;

    store::Database& database() { return services.database(); }

    core::Result<std::optional<store::OwnedEvent>> find(std::string_view id) {
        return database().log_reader().find(tenant, id);
    }

    static std::string causation_id(const store::StoredEvent& event) {
        core::EventParser parser;
        core::Envelope envelope;
        core::Error error;
        if (!parser.begin(event.raw, core::BatchFormat::kJson)) return {};
        if (parser.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent) return {};
        return std::string(envelope.causation_id);
    }

    core::Status append_node(core::JsonWriter& json, const store::StoredEvent& event,
                             std::string_view caused_by) {
        std::string text;
        append_event(text, event, database().hasher());
        json.begin_object().raw_field("event", text).field_or_null("causedBy", caused_by);
        const std::string id = event_id_of(event, database().hasher());
        store::ExecutionQuery query;
        query.event = event.position;
        query.limit = kTraceDeliveriesMax;
        auto page = database().executions().list(query);
        if (!page) return core::fail(std::move(page.error()));
        if (!page->next.empty()) truncated = true;
        json.key("deliveries").begin_array();
        for (const store::Execution& execution : page->executions)
            append_execution(json, services, execution, id);
        json.end_array().end_object();
        return {};
    }

    // From the event's cause up to the first one.
    core::Status append_causes(core::JsonWriter& json, const store::StoredEvent& event) {
        std::string id = causation_id(event);
        for (unsigned depth = 0; !id.empty(); ++depth) {
            if (depth == core::kCausationDepthMax * 4) {
                truncated = true;
                break;
            }
            auto cause = find(id);
            if (!cause) return core::fail(std::move(cause.error()));
            if (!*cause || !seen.insert((*cause)->event.position).second) break;
            const std::string above = causation_id((*cause)->event);
            if (auto status = append_node(json, (*cause)->event, above); !status) return status;
            id = above;
        }
        return {};
    }

    // Everything below, level by level.
    core::Status append_effects(core::JsonWriter& json, const std::string& root_id,
                                std::int64_t from_us) {
        std::deque<std::string> open = {root_id};
        while (!open.empty()) {
            const std::string id = std::move(open.front());
            open.pop_front();
            auto filter = EventFilter::make({.pattern = {},
                                             .pattern_prefix = {},
                                             .source_type = {},
                                             .source_id = {},
                                             .correlation_id = {},
                                             .causation_id = id,
                                             .context_id = {},
                                             .filter = {}});
            if (!filter) return core::fail(std::move(filter.error()));
            store::EventQuery query;
            query.tenant = tenant;
            query.from_us = from_us;
            query.causation_id = id;
            query.accept = [&](const store::StoredEvent& event) {
                return (*filter)->accepts(event);
            };
            query.order = store::SearchOrder::kOldestFirst;
            query.limit = kTraceEventsMax;
            auto page = database().event_search().search(query);
            if (!page) return core::fail(std::move(page.error()));
            if (!page->next.empty()) truncated = true;
            for (const store::OwnedEvent& owned : page->events) {
                if (!seen.insert(owned.event.position).second) continue;
                if (seen.size() > kTraceEventsMax) {
                    truncated = true;
                    return {};
                }
                if (auto status = append_node(json, owned.event, id); !status) return status;
                open.push_back(event_id_of(owned.event, database().hasher()));
            }
        }
        return {};
    }
};

Answer trace(Tracer& tracer, const std::string& id) {
    auto found = tracer.find(id);
    if (!found) return core::fail(std::move(found.error()));
    if (!*found) return not_found("event", id);
    const store::StoredEvent& event = (*found)->event;
    tracer.seen.insert(event.position);

    std::string body, self;
    core::JsonWriter node(self);
    if (auto status = tracer.append_node(node, event, Tracer::causation_id(event)); !status)
        return core::fail(status.error());
    // The node's own members first, then the lists.
    self.pop_back();
    body = self;
    std::string causes, effects;
    core::JsonWriter cause_list(causes), effect_list(effects);
    cause_list.begin_array();
    auto up = tracer.append_causes(cause_list, event);
    cause_list.end_array();
    if (!up) return core::fail(up.error());
    effect_list.begin_array();
    auto down = tracer.append_effects(effect_list, id, event.received_at_us - kClockStepUs);
    effect_list.end_array();
    if (!down) return core::fail(down.error());
    body.append(",\"causes\":").append(causes).append(",\"caused\":").append(effects);
    body.append(",\"truncated\":").append(tracer.truncated ? "true}" : "false}");
    return json_response(200, std::move(body));
}

}  // namespace

void trace_event(Call& call, const Respond& respond) {
    auto tracer = std::make_shared<Tracer>(Tracer{call.services, call.tenant()});
    auto answer = std::make_shared<ApiResponse>();
    const bool taken = call.services.run_aside(
        Aside::kLook,
        [tracer, answer, id = std::string(call.request.param("eventId"))] {
            auto made = trace(*tracer, id);
            *answer = made ? std::move(*made) : error_response(made.error());
        },
        [answer, respond] { respond(std::move(*answer)); });
    if (!taken) respond(error_response(busy_aside()));
}

}  // namespace millrace::runtime::api
