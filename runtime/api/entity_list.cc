// GET /v2/entities/{type}: as they are or as they were, by any filter form. A page looks at a
// bounded number of rows; what is behind them has a cursor.
#include "core/timestamp.h"
#include "matcher/filter/json_value.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"
#include "runtime/api/entity_write.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kRowsAtOnce = 1'000;  // on the API thread
constexpr std::size_t kRowsAside = 100'000;
constexpr std::size_t kPageBytesMax = 16u << 20;

struct EntityListing {
    core::TenantId tenant;
    std::string type;
    std::string after;
    std::size_t limit = kListLimitDefault;
    std::optional<matcher::ReferenceMatcher> filter;
    std::int64_t at_us = kNoMoment;
    std::size_t rows_max = kRowsAtOnce;

    std::vector<std::string> items;
    std::string next;
    std::size_t rows = 0;
    std::size_t bytes = 0;
    core::Status status;
    std::optional<ApiResponse> gone;

    bool wants(const std::string& view) const;
    // False: the page ends before this one.
    bool add(const std::string& id, std::string&& view);
    void read(store::Database& database);
};

// The members stand where those of an event do, and in its payload: a filter may name them either
// way.
matcher::JsonValue event_of(const matcher::JsonValue& entity) {
    matcher::JsonValue event = entity;
    std::erase_if(event.members,
                  [](const matcher::JsonMember& member) { return member.name == "payload"; });
    event.members.push_back({"payload", 0, entity});
    return event;
}

bool EntityListing::wants(const std::string& view) const {
    if (!filter) return true;
    const auto tree = matcher::parse_json(view);
    return tree && filter->matches(event_of(*tree));
}

bool EntityListing::add(const std::string& id, std::string&& view) {
    if (items.size() == limit || rows == rows_max || bytes > kPageBytesMax) {
        next = after;
        return false;
    }
    ++rows;
    if (wants(view)) {
        bytes += view.size();
        items.push_back(std::move(view));
    }
    after = id;
    return true;
}

void EntityListing::read(store::Database& database) {
    if (at_us == kNoMoment) {
        status = database.entities().visit({tenant, type, after}, [&](store::Entity&& entity) {
            return add(entity.id,
                       entity_view(entity.id, entity.json,
                                   {entity.version, entity.created_at_us, entity.updated_at_us}));
        });
        return;
    }
    const PastEntities asked{tenant, type, {}, at_us};
    auto then = entities_at(database, asked);
    if (!then) {
        status = core::fail(then.error());
        return;
    }
    gone = gone_response(asked, *then);
    if (gone) return;
    for (auto at = then->views.upper_bound(after); at != then->views.end(); ++at) {
        if (!add(at->first, std::move(at->second))) return;
    }
}

core::Result<std::shared_ptr<EntityListing>> read_listing(Call& call, const std::string& type) {
    auto out = std::make_shared<EntityListing>();
    out->tenant = call.tenant();
    out->type = type;
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    out->limit = *limit;
    auto after = call.key_cursor();
    if (!after) return core::fail(std::move(after.error()));
    out->after = std::move(*after);
    const auto at_us = call.time("asOf", kNoMoment);
    if (!at_us) return core::fail(at_us.error());
    out->at_us = *at_us;
    const std::string filter = call.text("filter");
    if (filter.empty()) return out;
    matcher::SubscriptionSpec spec;
    auto predicate = matcher::parse_any_filter(filter);
    if (!predicate) {
        if (predicate.error().field.empty()) predicate.error().field = "filter";
        return core::fail(std::move(predicate.error()));
    }
    spec.predicate = std::move(*predicate);
    auto compiled = matcher::ReferenceMatcher::compile(spec);
    if (!compiled) return core::fail(std::move(compiled.error()).in("filter"));
    out->filter.emplace(std::move(*compiled));
    return out;
}

ApiResponse listing_response(EntityListing& listing) {
    if (!listing.status) return error_response(listing.status.error());
    if (listing.gone) return std::move(*listing.gone);
    ListBody body;
    for (const std::string& item : listing.items) body.json().raw(item);
    return body.finish_search(listing.next.empty() ? "" : encode_key_cursor(listing.next),
                              listing.rows);
}

}  // namespace

std::optional<ApiResponse> gone_response(const PastEntities& asked, const PastAnswer& then) {
    if (then.gone_until_us == 0) return std::nullopt;
    const std::string from = core::format_timestamp(then.gone_until_us);
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message",
               "asOf: changes of " + asked.type + " after " + core::format_timestamp(asked.at_us) +
                   " are no longer kept: what was there can be told from " + from + " on");
    json.field("code", "GONE").field("statusCode", 410).key("details").begin_object();
    json.field("field", "asOf").field("historyFrom", from).end_object();
    json.end_object().end_object();
    return json_response(410, std::move(body));
}

void list_entities_of(Call& call, const std::string& type, const Respond& respond) {
    auto listing = read_listing(call, type);
    if (!listing) return respond(error_response(listing.error()));
    store::Database& database = call.services.database();
    const std::shared_ptr<EntityListing> page = std::move(*listing);
    if (!page->filter && page->at_us == kNoMoment) {
        page->read(database);
        return respond(listing_response(*page));
    }
    page->rows_max = kRowsAside;
    const bool taken = call.services.run_aside(
        Aside::kLook, [page, &database] { page->read(database); },
        [page, respond] { respond(listing_response(*page)); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
