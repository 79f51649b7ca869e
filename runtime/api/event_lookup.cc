#include "runtime/api/event_lookup.h"

#include "runtime/api/event_view.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/delivery/script_limits.h"
#include "runtime/event/event_source.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/misfit.h"
#include "runtime/event/source_type.h"
#include "store/log/event_id.h"
#include "store/rows/executions.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::runtime::api {
namespace {

SourceChoice source_of_event(const store::StoredEvent& event) {
    core::EventParser parser;
    const core::Envelope envelope = envelope_of(parser, event);
    const EventSource source = source_of(envelope);
    return {std::string(source.type), std::string(source.id)};
}

bool fits(const SourceChoice& choice, const SourceChoice& source) {
    return (choice.type.empty() || choice.type == source.type) &&
           (choice.id.empty() || choice.id == source.id);
}

// Whether a handler of `cause` has emitted the event of this id: every delivery of the cause could
// have, at any place of its run.
core::Result<bool> has_emitted(store::Database& database, const store::StoredEvent& cause,
                               std::string_view effect_id) {
    core::EventParser parser;
    const core::Envelope envelope = envelope_of(parser, cause);
    const CauseKey key =
        cause_key(cause.tenant, source_of(envelope), event_id_of(cause, database.hasher()));
    store::ExecutionQuery query;
    query.event = cause.position;
    query.limit = 1000;
    auto page = database.executions().list(query);
    if (!page) return core::fail(std::move(page.error()));
    std::set<core::SubscriptionId> handlers;
    for (const store::Execution& execution : page->executions)
        handlers.insert(execution.delivery.subscription);
    for (const core::SubscriptionId handler : handlers) {
        for (std::uint32_t i = 0; i < kLuaEmitsPerRunMax; ++i) {
            if (derive_event_id(key, handler.value, i).view() == effect_id) return true;
        }
    }
    return false;
}

// An alert tells of a dead letter, whose id holds the event's place.
std::optional<core::LogPosition> told_of(store::Database& database, std::string_view payload) {
    std::optional<core::LogPosition> found;
    scan_members(payload, [&](std::string_view key, std::string_view value) {
        if (key != "\"dlqId\"" || value.size() < 2) return true;
        const auto letter =
            store::decode_dead_letter_id(database.hasher(), value.substr(1, value.size() - 2));
        if (letter) found = letter->delivery.position;
        return false;
    });
    return found;
}

core::Result<bool> is_proven(store::Database& database, const store::StoredEvent& cause,
                             const core::Envelope& effect) {
    if (effect.pattern == kDeadLetterAddedPattern &&
        told_of(database, effect.payload) == cause.position)
        return true;
    if (effect.source_type != "task") return false;
    return has_emitted(database, cause, effect.event_id);
}

}  // namespace

core::Result<SourceChoice> source_choice(const Call& call) {
    SourceChoice choice{call.text("sourceType"), call.text("sourceId")};
    if (is_source_type(choice.type)) return choice;
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "query parameter sourceType is \"" + choice.type.substr(0, 64) +
                                      "\"; expected " + std::string(kSourceTypes))
                          .in("sourceType"));
}

namespace {

core::Result<std::optional<FoundEvent>> find_exactly(store::Database& database,
                                                     core::TenantId tenant,
                                                     std::string_view event_id,
                                                     const SourceChoice& choice) {
    store::LogReader& log = database.log_reader();
    const bool any = choice.type.empty() && choice.id.empty();
    if (!choice.type.empty() && !choice.id.empty()) {
        const auto position = log.find_identity(
            database.hasher().identity({tenant, choice.type, choice.id, event_id}));
        if (!position) return core::fail(position.error());
        if (*position) {
            auto event = log.read_event(**position);
            if (!event) return core::fail(std::move(event.error()));
            if (*event) return FoundEvent{std::move(**event), {}};
        }
    }
    auto all = log.find_all(tenant, event_id, kSourcesMax);
    if (!all) return core::fail(std::move(all.error()));
    std::optional<FoundEvent> found;
    for (store::OwnedEvent& owned : *all) {
        if (any && found) {
            found->others.push_back(source_of_event(owned.event));
        } else if (any || fits(choice, source_of_event(owned.event))) {
            found = FoundEvent{std::move(owned), {}};
            if (!any) break;
        }
    }
    return found;
}

}  // namespace

core::Result<std::optional<FoundEvent>> find_event(store::Database& database, core::TenantId tenant,
                                                   std::string_view event_id,
                                                   const SourceChoice& choice) {
    auto found = find_exactly(database, tenant, event_id, choice);
    if (!found || *found) return found;
    found = find_exactly(database, tenant, misfit_id(event_id), choice);
    if (found && *found) (*found)->stands_in = true;
    return found;
}

bool may_see(const identity::Principal& principal, const FoundEvent& found) {
    if (!found.stands_in) return may_see(principal, found.event.event);
    core::EventParser parser;
    return principal.may_see(pattern_as_sent(parser, found.event.event));
}

void append_other_sources(std::string& object, const std::vector<SourceChoice>& others) {
    if (others.empty()) return;
    object += ",\"otherSources\":";
    core::JsonWriter json(object);
    json.begin_array();
    for (const SourceChoice& source : others)
        json.begin_object().field("type", source.type).field("id", source.id).end_object();
    json.end_array();
}

core::Result<std::optional<store::OwnedEvent>> cause_of(store::Database& database,
                                                        const store::StoredEvent& effect) {
    core::EventParser parser;
    const core::Envelope envelope = envelope_of(parser, effect);
    if (envelope.causation_id.empty()) return std::nullopt;
    auto all = database.log_reader().find_all(effect.tenant, envelope.causation_id, kSourcesMax);
    if (!all) return core::fail(std::move(all.error()));
    if (all->empty()) return std::nullopt;
    if (all->size() == 1) return std::move(all->front());
    for (store::OwnedEvent& candidate : *all) {
        auto proven = is_proven(database, candidate.event, envelope);
        if (!proven) return core::fail(std::move(proven.error()));
        if (*proven) return std::move(candidate);
    }
    const auto before = std::find_if(all->begin(), all->end(), [&](const auto& candidate) {
        return candidate.event.received_at_us <= effect.received_at_us;
    });
    return std::move(before == all->end() ? all->front() : *before);
}

}  // namespace millrace::runtime::api
