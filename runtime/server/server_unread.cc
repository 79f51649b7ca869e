// Part of ServerParts: subscriptions that do not read: their own row, that of what they run, or the
// key that it is sealed with is not the right one; and those that the matcher does not take any
// more. Nothing matches for them meanwhile. So that what comes is theirs when they read again, it
// is on record from where in the log they have gone without.
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_rows.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

namespace {

constexpr std::string_view kUnreadKind = "subscription_unread";

struct Unread {
    core::TenantId tenant;
    std::string id;
    std::vector<core::LogOffset> from;  // by shard
};

std::string unread_text(const Unread& one) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("tenant", one.tenant.value).field("id", one.id);
    json.key("from").begin_array();
    for (const core::LogOffset from : one.from) json.value(from.value);
    json.end_array().end_object();
    return out;
}

core::Result<Unread> read_unread(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "row");
    if (!in) return core::fail(std::move(in.error()));
    Unread one;
    in->integer_as("tenant", one.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->text("id", one.id, {.presence = core::Presence::kRequired});
    core::JsonArray list;
    const auto from = in->any("from");
    if (!from || !from->get(list)) in->refuse("from", "is no list");
    if (auto read = in->finish(); !read) return core::fail(std::move(read.error()));
    for (const core::JsonElement element : list) {
        std::uint64_t offset = 0;
        if (!element.get(offset))
            return core::fail(core::ErrorCode::kInternal, "from holds what is no offset");
        one.from.emplace_back(offset);
    }
    return one;
}

}  // namespace

// From here on it is behind, as one that was paused.
void ServerParts::resume_unread(core::TenantId tenant, const std::string& id,
                                const std::vector<core::LogOffset>& from, store::RowBatch& rows) {
    const SubscriptionRef subscription = registry->find_subscription(tenant, id);
    if (!subscription) return;
    for (std::size_t i = 0; i < std::min(shard_count, from.size()); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        if (behind.begin(subscription->number, shard, from[i]))
            rows.put_cursor(behind_cursor(subscription->number), {shard, from[i]});
    }
    log.info("a subscription reads again: it gets what has come meanwhile", {{"id", id}});
}

// Behind the places of those that are behind already: those are the earlier ones.
core::Status ServerParts::settle_unread() {
    std::map<std::string, Unread> unread;  // by the ids of their rows
    registry->table<Subscription>().each_set_aside(
        [&](core::TenantId tenant, std::string_view id, std::uint32_t) {
            if (!id.empty())
                unread.emplace(document_row_id(tenant, id), Unread{tenant, std::string(id), {}});
        });
    for (const SubscriptionRef& one : not_matched)
        unread.emplace(document_row_id(one->tenant, one->id), Unread{one->tenant, one->id, {}});
    auto known = database->registry().load_all(kUnreadKind);
    if (!known) return core::fail(std::move(known.error()));
    store::RowBatch rows;
    for (const store::RegistryDocument& row : *known) {
        auto read = read_unread(row.json);
        const auto still = unread.find(row.id);
        if (!read) {
            set_aside.add(kUnreadKind, row.id, read.error());
        } else if (still != unread.end()) {
            still->second.from = std::move(read->from);
        } else {
            resume_unread(read->tenant, read->id, read->from, rows);
            rows.erase_registry(kUnreadKind, row.id);
        }
    }
    unread_floors.assign(shard_count, kNotLive);
    for (auto& [row, one] : unread) {
        const bool fresh = one.from.empty();
        for (std::size_t i = one.from.size(); i < shard_count; ++i) {
            const core::ShardId shard(static_cast<std::uint16_t>(i));
            one.from.push_back(database->cursor(kDeliveryCursor, shard));
        }
        if (fresh) rows.put_registry(kUnreadKind, row, 1, clock.wall_us(), unread_text(one));
        for (std::size_t i = 0; i < shard_count; ++i)
            unread_floors[i] = std::min(unread_floors[i], one.from[i]);
    }
    return rows.empty() ? core::Status{} : database->write_now(rows);
}

}  // namespace millrace::runtime
