#include "runtime/entity/history.h"

#include "core/event_parser.h"
#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/timestamp.h"
#include "runtime/entity/document.h"
#include "runtime/entity/names.h"
#include "runtime/event/json_scan.h"
#include "store/log/event_search.h"
#include "store/retention/let_go.h"
#include "store/rows/entity_store.h"

#include <algorithm>
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

// Until when changes of the type may be missing.
core::Result<std::int64_t> missing_until(store::Database& database, const PastEntities& asked) {
    const std::string prefix = std::string(kEntityPatternPrefix) + asked.type + ".";
    return store::let_go_until(database, asked.tenant, prefix);
}

// What was let go before it was written down until when: a document that says itself that it was
// changed after the moment. 0: none does.
std::int64_t changed_later(const Views& views, std::int64_t at_us) {
    std::int64_t latest_us = 0;
    for (const auto& [id, entity] : views) {
        const std::string_view text = member_of(entity, "\"updatedAt\"");
        std::int64_t updated_us = 0;
        if (text.size() < 2 || !core::parse_timestamp(text.substr(1, text.size() - 2), updated_us))
            continue;
        if (updated_us > at_us) latest_us = std::max(latest_us, updated_us);
    }
    return latest_us;
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

class Undo {
public:
    Undo(const PastEntities& asked, Views& views) : asked_(asked), views_(views) {}

    // Walks from the newest to the oldest: what was there before the oldest one stays.
    void take(const store::StoredEvent& event) {
        if (!event.has(store::EventFlag::kEmitted)) return;
        core::Envelope envelope;
        if (!parser_.extract(event.raw, plan_, &envelope, fields_)) return;
        if (envelope.source_id != kEntitySourceId || envelope.source_type != kEntitySourceType)
            return;
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

core::Result<PastAnswer> entities_at(store::Database& database, const PastEntities& asked) {
    constexpr std::int64_t kSlackUs = 10'000'000;  // between a change's own time and its receipt
    PastAnswer answer;
    Views& views = answer.views;
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
    // Behind the reading: what retention took meanwhile is told by now.
    const auto until_us = missing_until(database, asked);
    if (!until_us) return core::fail(until_us.error());
    answer.gone_until_us = *until_us > asked.at_us ? *until_us : changed_later(views, asked.at_us);
    return answer;
}

}  // namespace millrace::runtime
