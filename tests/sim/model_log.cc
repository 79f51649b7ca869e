#include "runtime/server/shard.h"
#include "store/log/log_reader.h"
#include "store/rows/executions.h"
#include "tests/sim/found.h"
#include "tests/sim/model.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::sim {

// Whose it is; what came out of a handler is its cause's tenant's.
std::string Model::check_tenant(const store::StoredEvent& event, std::uint64_t number) const {
    if (event.tenant.value >= kTenants) return "an event of a tenant that is none";
    if (number == 0 || number > events_.size()) return "";
    const SentEvent& sent = events_[number - 1];
    return event.tenant == tenant_id(sent.tenant)
               ? ""
               : "event " + std::to_string(number) + " of tenant " + std::to_string(sent.tenant) +
                     " made " + std::string(event.pattern) + " for tenant " +
                     std::to_string(event.tenant.value);
}

std::string Model::read_log(store::Database& database, Found& found) const {
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        core::LogOffset next = database.first_kept(shard);
        found.first_kept.push_back(next);
        while (next < database.durable_end(shard)) {
            const auto block = database.log_reader().read_block(shard, next);
            if (!block || !*block) return "the log can't be read at " + at({shard, next});
            if (block->first_offset() != next) return "the log has a gap at " + at({shard, next});
            for (std::uint32_t index = 0; index < block->count(); ++index) {
                const store::StoredEvent event = block->event(index);
                if (block->gone(index)) {
                    found.thinned.insert({shard.value, event.position.offset.value});
                    continue;
                }
                const std::uint64_t number = number_in(event.raw);
                if (std::string wrong = check_tenant(event, number); !wrong.empty()) return wrong;
                if (event.pattern == "derived.thing") {
                    ++found.derived[number];
                } else if (event.pattern.starts_with(kEdgePattern)) {
                    ++found.edges[number];
                    if (std::string wrong = check_emitted_text(event.raw); !wrong.empty())
                        return "what event " + std::to_string(number) +
                               " emitted ingest would refuse: " + wrong;
                } else if (event.pattern == "system.dlq.added") {
                    ++found.alerts[event.tenant.value];
                } else {
                    found.by_number[number].push_back(found.events.size());
                }
                found.events.push_back({event.position, event.tenant, std::string(event.raw),
                                        std::string(event.pattern)});
            }
            next = block->end_offset();
        }
    }
    return "";
}

// Every acknowledged event once, byte for byte, where the answer said, but what the rules let go;
// none that nobody sent.
std::string Model::check_log(const Found& found) const {
    if (!keeping.any() && !found.thinned.empty()) return "an event is gone, and no rule says so";
    for (const auto& [number, places] : found.by_number) {
        if (number == 0 || number > events_.size())
            return "an event that nobody sent: " + found.events[places.front()].raw;
        const SentEvent& event = events_[number - 1];
        const bool comes_again = event.id.empty() || may_be_gone(event);
        if (places.size() > (comes_again ? event.sendings : 1)) {
            return "event " + std::to_string(number) + " is in the log " +
                   std::to_string(places.size()) + " times, sent " +
                   std::to_string(event.sendings) + " times";
        }
        for (const std::size_t place : places) {
            if (found.events[place].raw != event.text)
                return "event " + std::to_string(number) +
                       " has changed: " + found.events[place].raw;
        }
    }
    for (const SentEvent& event : events_) {
        if (event.acknowledged == 0) continue;
        if (std::string wrong = check_there(found, event); !wrong.empty()) return wrong;
    }
    return check_together(found);
}

// Of a batch that is all or none nothing is there, or everything but what the rules let go.
std::string Model::check_together(const Found& found) const {
    std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>>
        seen;  // there, missing: one each
    for (const SentEvent& event : events_) {
        if (event.together == 0 || may_be_gone(event)) continue;
        auto& [there, missing] = seen[event.together];
        (found.by_number.contains(event.number) ? there : missing) = event.number;
        if (there != 0 && missing != 0) {
            return "of a batch that is all or none event " + std::to_string(there) +
                   " is there and event " + std::to_string(missing) + " is not";
        }
    }
    return "";
}

std::string Model::check_there(const Found& found, const SentEvent& event) const {
    const std::string who = "event " + std::to_string(event.number);
    const auto places = found.by_number.find(event.number);
    const bool may_go = may_be_gone(event);
    if (!event.placed) {
        return places != found.by_number.end() || may_go
                   ? ""
                   : who + " was acknowledged on a socket and is not in the log";
    }
    const bool there =
        places != found.by_number.end() &&
        std::any_of(places->second.begin(), places->second.end(), [&](std::size_t place) {
            return found.events[place].position == event.position;
        });
    if (there || (may_go && found.gone(event.position))) return "";
    return who + " was acknowledged and is not at " + at(event.position);
}

// Behind the cursor every delivery has an outcome; with what is thinned it stays as long as the
// block does.
bool Model::outcome_is_hurt(core::LogPosition position) const {
    return std::any_of(hurt_outcomes.begin(), hurt_outcomes.end(), [position](const Stretch& one) {
        return one.first.shard == position.shard && position.offset >= one.first.offset &&
               position.offset < one.end;
    });
}

std::string Model::check_outcomes(store::Database& database, const Found& found) const {
    // What a subscription that is behind has not got yet has none.
    std::map<std::pair<std::string, std::uint16_t>, core::LogOffset> behind;
    (void)database.visit_cursors(runtime::kBehindCursorPrefix,
                                 [&](std::string_view name, core::LogPosition place) {
                                     behind[{std::string(name), place.shard.value}] = place.offset;
                                 });
    const auto missing = [&](core::LogPosition position, std::size_t tenant) {
        if (outcome_is_hurt(position)) return false;
        const auto place =
            behind.find({runtime::behind_cursor(counts[tenant]), position.shard.value});
        if (place != behind.end() && position.offset >= place->second) return false;
        if (position.offset >= database.cursor(runtime::kDeliveryCursor, position.shard))
            return false;
        const auto execution = database.executions().get({position, counts[tenant]});
        return !execution || !*execution;
    };
    for (const Found::Event& event : found.events) {
        if (!event.pattern.starts_with(kPatternPrefix) ||
            !missing(event.position, event.tenant.value))
            continue;
        return "the cursor of shard " + std::to_string(event.position.shard.value) +
               " has passed, but the delivery of offset " +
               std::to_string(event.position.offset.value) + " has no outcome";
    }
    for (const SentEvent& event : events_) {
        const core::LogPosition position = event.position;
        if (!event.placed || !found.thinned.contains({position.shard.value, position.offset.value}))
            continue;
        if (!hurt_cursor &&
            position.offset >= database.cursor(runtime::kDeliveryCursor, position.shard))
            return "event " + std::to_string(event.number) + " is gone before its delivery";
        if (missing(position, event.tenant))
            return "event " + std::to_string(event.number) + " is gone, and its outcome with it";
    }
    return "";
}

std::string Model::check_start(store::Database& database) const {
    Found found;
    if (std::string wrong = read_log(database, found); !wrong.empty()) return wrong;
    if (std::string wrong = check_log(found); !wrong.empty()) return wrong;
    return check_outcomes(database, found);
}

}  // namespace millrace::sim
