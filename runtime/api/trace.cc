// GET /v2/events/{eventId}/trace: the chain of causes above an event, the tree of effects below it,
// and what the handlers did with each. Effects are searched for in everything that came after their
// cause, event by event, so that it is done aside.
//
// Where events live by their keys a front puts traces of several partitions together
// (runtime/node/trace_merge.h), and asks for parts of them: what is known here of these causes, and
// what is above and below.
#include "core/limits.h"
#include "core/listed.h"
#include "io/http_types.h"
#include "runtime/api/event_lookup.h"
#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/event/event_filter.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace millrace::runtime::api {
namespace {

// A trace is for people to look at: more events than this are cut, and the answer says so.
constexpr std::size_t kTraceEventsMax = 200;
constexpr std::size_t kTraceDeliveriesMax = 1000;

struct Tracer {
    Services& services;
    identity::Principal principal;
    core::TenantId tenant = principal.tenant;
    std::set<core::LogPosition> seen = {};
    bool truncated = false;

    store::Database& database() { return services.database(); }

    static std::string causation_id(const store::StoredEvent& event) {
        core::EventParser parser;
        return std::string(envelope_of(parser, event).causation_id);
    }

    core::Status append_node(core::JsonWriter& json, const store::StoredEvent& event,
                             std::string_view caused_by) {
        if (!may_see(principal, event)) return {};
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
        auto cause = cause_of(database(), event);
        for (unsigned depth = 0; cause && *cause; ++depth) {
            if (depth == core::kCausationDepthMax * 4) {
                truncated = true;
                return {};
            }
            const store::OwnedEvent at = std::move(**cause);
            if (!seen.insert(at.event.position).second) return {};
            if (auto status = append_node(json, at.event, causation_id(at.event)); !status)
                return status;
            cause = cause_of(database(), at.event);
        }
        if (!cause) return core::fail(std::move(cause.error()));
        return {};
    }

    struct Open {
        std::string id;
        core::LogPosition position;
        bool shared = false;  // several sources have used the id
    };
    core::Result<Open> open_of(const store::StoredEvent& event) {
        Open open{event_id_of(event, database().hasher()), event.position};
        auto all = database().log_reader().find_all(tenant, open.id, 2);
        if (!all) return core::fail(std::move(all.error()));
        open.shared = all->size() > 1;
        return open;
    }
    // An effect names its cause by id alone.
    core::Result<bool> is_effect(const Open& of, const store::StoredEvent& event) {
        if (!of.shared) return true;
        auto cause = cause_of(database(), event);
        if (!cause) return core::fail(std::move(cause.error()));
        return *cause && (*cause)->event.position == of.position;
    }

    core::Status append_effects(core::JsonWriter& json, const store::StoredEvent& root) {
        auto first = open_of(root);
        if (!first) return core::fail(std::move(first.error()));
        return append_below(json, {std::move(*first)});
    }

    // Everything below, level by level.
    core::Status append_below(core::JsonWriter& json, std::deque<Open> open) {
        while (!open.empty()) {
            const Open of = std::move(open.front());
            const std::string& id = of.id;
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
            // From the beginning: by the wall clock an effect may lie before its cause.
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
                const auto effect = is_effect(of, owned.event);
                if (!effect) return core::fail(effect.error());
                if (!*effect || !seen.insert(owned.event.position).second) continue;
                if (seen.size() > kTraceEventsMax) {
                    truncated = true;
                    return {};
                }
                if (auto status = append_node(json, owned.event, id); !status) return status;
                auto next = open_of(owned.event);
                if (!next) return core::fail(std::move(next.error()));
                open.push_back(std::move(*next));
            }
        }
        return {};
    }
};

Answer trace(Tracer& tracer, const std::string& id, const SourceChoice& source) {
    auto found = find_event(tracer.database(), tracer.tenant, id, source);
    if (!found) return core::fail(std::move(found.error()));
    if (!*found || !may_see(tracer.principal, **found)) return not_found("event", id);
    const store::StoredEvent& event = (*found)->event.event;
    tracer.seen.insert(event.position);

    std::string body, self;
    core::JsonWriter node(self);
    if (auto status = tracer.append_node(node, event, Tracer::causation_id(event)); !status)
        return core::fail(status.error());
    // The node's own members first, then the lists.
    self.pop_back();
    append_other_sources(self, (*found)->others);
    body = self;
    std::string causes, effects;
    core::JsonWriter cause_list(causes), effect_list(effects);
    cause_list.begin_array();
    auto up = tracer.append_causes(cause_list, event);
    cause_list.end_array();
    if (!up) return core::fail(up.error());
    effect_list.begin_array();
    auto down = tracer.append_effects(effect_list, event);
    effect_list.end_array();
    if (!down) return core::fail(down.error());
    body.append(",\"causes\":").append(causes).append(",\"caused\":").append(effects);
    body.append(",\"truncated\":").append(tracer.truncated ? "true}" : "false}");
    return json_response(200, std::move(body));
}

// What a front asks for a part: "effects=a,b&causes=c", ids percent-encoded.
struct PartAsked {
    std::vector<std::string> effects, causes;
};
constexpr std::string_view kEffects = "effects=";
constexpr std::string_view kCauses = "causes=";

PartAsked part_asked(std::string_view text) {
    PartAsked out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('&'), text.size());
        std::string_view list = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const bool below = list.starts_with(kEffects);
        if (!below && !list.starts_with(kCauses)) continue;
        list.remove_prefix(below ? kEffects.size() : kCauses.size());
        core::each_listed(list, [&](std::string_view one) {
            std::string id;
            if (io::percent_decode(one, io::PlusIsSpace::kNo, id) && !id.empty())
                (below ? out.effects : out.causes).push_back(std::move(id));
            return true;
        });
    }
    return out;
}

core::Status append_part(core::JsonWriter& json, Tracer& tracer, const PartAsked& asked) {
    for (const std::string& id : asked.causes) {
        auto found = find_event(tracer.database(), tracer.tenant, id, {});
        if (!found) return core::fail(std::move(found.error()));
        if (!*found || !may_see(tracer.principal, **found)) continue;
        const store::StoredEvent& event = (*found)->event.event;
        if (!tracer.seen.insert(event.position).second) continue;
        if (auto node = tracer.append_node(json, event, Tracer::causation_id(event)); !node)
            return node;
        if (auto above = tracer.append_causes(json, event); !above) return above;
    }
    std::deque<Tracer::Open> open;
    // Their causes are elsewhere: by the id alone.
    for (const std::string& id : asked.effects) open.push_back({id, {}});
    return tracer.append_below(json, std::move(open));
}

Answer trace_part(Tracer& tracer, const PartAsked& asked) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().key("nodes").begin_array();
    if (auto done = append_part(json, tracer, asked); !done) return core::fail(done.error());
    json.end_array().field("truncated", tracer.truncated).end_object();
    return json_response(200, std::move(body));
}

}  // namespace

void trace_event(Call& call, const Respond& respond) {
    auto source = source_choice(call);
    if (!source) return respond(error_response(source.error()));
    auto tracer = std::make_shared<Tracer>(Tracer{call.services, call.request.principal});
    auto answer = std::make_shared<ApiResponse>();
    const std::string part(call.request.header(kPlacesHeader));
    const bool taken = call.services.run_aside(
        Aside::kLook,
        [tracer, answer, id = std::string(call.request.param("eventId")), source = *source, part] {
            auto made = part.find('=') == std::string::npos ? trace(*tracer, id, source)
                                                            : trace_part(*tracer, part_asked(part));
            *answer = made ? std::move(*made) : error_response(made.error());
        },
        [answer, respond] { respond(std::move(*answer)); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
