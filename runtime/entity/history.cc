#include "runtime/entity/history.h"

#include "core/event_parser.h"
#include "core/field_plan.h"
#include "core/field_table.h"
#include "runtime/entity/document.h"
#include "runtime/entity/names.h"
#include "runtime/event/json_scan.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"
#include "store/rows/entity_store.h"

#include <utility>

namespace millrace::runtime {
namespace {

using Views = std::map<std::string, std::string>;

core::Error too_much(std::string_view what, std::size_t limit) {
    return core::Error(core::ErrorCode::kValidation,
                       "asOf: more than " + std::to_string(limit) + " " + std::string(what))
        .in("asOf")
        .bound(static_cast<std::int64_t>(limit));
}

core::Status check_reach(store::Database& database, std::int64_t at_us) {
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        const core::LogOffset first = database.first_kept(shard);
        if (first.value == 0) continue;
        const auto block = database.log_reader().read_block(shard, first);
        if (!block) return core::fail(block.error());
        if (*block && block->record(0).received_at_us <= at_us) continue;
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "asOf lies before the oldest events that are kept")
                              .in("asOf"));
    }
    return {};
}

core::Status current(store::Database& database, const PastEntities& asked, Views& out) {
    const auto add = [&](store::Entity&& entity) {
        out[entity.id] = entity_view(entity.id, entity.json,
                                     {entity.version, entity.created_at_us, entity.updated_at_us});
        return out.size() <= kUndoEntitiesMax;
    };
    if (!asked.id.empty()) {
        auto row = database.entities().get({asked.tenant, asked.type, asked.id});
        if (!row) return core::fail(std::move(row.error()));
        if (*row) add(std::move(**row));
        return {};
    }
    return database.entities().visit({asked.tenant, asked.type, {}}, add);
}

// The raw text of a member; empty when there is none.
std::string_view member_of(std::string_view object, std::string_view quoted_name) {
    std::string_view found;
    scan_members(object, [&](std::string_view key, std::string_view value) {
        if (key != quoted_name) return true;
        found = value;
        return false;
    });
    return found;
}

class Undo {
public:
    Undo(const PastEntities& asked, Views& views) : asked_(asked), views_(views) {}

    // Walks from the newest to the oldest: what was there before the oldest one stays.
    void take(const store::StoredEvent& event) {
        if (!event.has(store::EventFlag::kEmitted)) return;
        core::Envelope envelope;
        if (!parser_.extract(event.raw, plan_, &envelope, fields_)) return;
        if (envelope.source_id != "entities" || envelope.source_type != "integration") return;
        if (envelope.timestamp_us <= asked_.at_us) return;
        std::string_view type;
        EntityVerb verb = EntityVerb::kCreated;
        if (!read_entity_pattern(envelope.pattern, type, verb)) return;
        const bool kept_here = !member_of(envelope.payload, "\"version\"").empty();
        const std::string_view id_text = member_of(envelope.payload, "\"id\"");
        if (!kept_here || type != asked_.type || id_text.size() < 2) return;
        const std::string id(id_text.substr(1, id_text.size() - 2));
        if (!asked_.id.empty() && id != asked_.id) return;
        if (verb == EntityVerb::kCreated) {
            views_.erase(id);
            return;
        }
        const bool gone = verb == EntityVerb::kDeleted;
        views_[id] = member_of(envelope.payload, gone ? "\"doc\"" : "\"beforeUpdateDoc\"");
    }

private:
    const PastEntities& asked_;
    Views& views_;
    core::EventParser parser_;
    core::FieldPlan plan_;
    core::FieldTable fields_;
};

}  // namespace

core::Result<Views> entities_at(store::Database& database, const PastEntities& asked) {
    constexpr std::int64_t kSlackUs = 10'000'000;  // between a change's own time and its receipt
    if (auto reaches = check_reach(database, asked.at_us); !reaches)
        return core::fail(reaches.error());
    Views views;
    if (auto read = current(database, asked, views); !read) return core::fail(read.error());
    Undo undo(asked, views);
    const std::string prefix = std::string(kEntityPatternPrefix) + asked.type + ".";
    const std::string context = asked.id.empty() ? std::string() : asked.type + "/" + asked.id;
    store::EventQuery query;
    query.tenant = asked.tenant;
    query.pattern_prefix = prefix;
    query.context_id = context;
    query.from_us = asked.at_us - kSlackUs;
    query.limit = 1;
    std::size_t taken = 0;
    query.accept = [&](const store::StoredEvent& event) {
        if (++taken <= kUndoEventsMax) undo.take(event);
        return false;  // nothing of it is kept
    };
    std::string cursor;
    do {
        query.cursor = cursor;
        auto page = database.event_search().search(query);
        if (!page) return core::fail(std::move(page.error()));
        cursor = page->next;
        if (taken > kUndoEventsMax)
            return core::fail(too_much("changes since then", kUndoEventsMax));
        if (views.size() > kUndoEntitiesMax)
            return core::fail(too_much("entities", kUndoEntitiesMax));
    } while (!cursor.empty());
    return views;
}

}  // namespace millrace::runtime
