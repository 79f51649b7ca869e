// GET /v2/kv: handlers' state, as it is or as it was.
#include "core/listed.h"
#include "runtime/api/handlers.h"
#include "store/rows/kv_history.h"

#include <charconv>
#include <limits>
#include <memory>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kPrefixBytesMax = 1024;

struct View {
    core::TenantId tenant;
    std::string space;
    std::string prefix;
    std::string after;
    std::string at;  // as asked; empty: now
    store::KvHistory::Moment moment;
    std::size_t limit = 0;
};

tl::unexpected<core::Error> bad(std::string_view name, std::string_view what) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(name) + ": " + std::string(what))
            .in(std::string(name)));
}

// "0:120,1:88": by shard, the first offset whose block's deliveries do not count.
bool read_positions(std::string_view text, std::size_t shards, store::KvHistory::Moment& moment) {
    moment.before.assign(shards, core::LogOffset{std::numeric_limits<std::uint64_t>::max()});
    return core::each_listed(text, [&](std::string_view one) {
        std::size_t shard = 0;
        std::uint64_t offset = 0;
        const char* end = one.data() + one.size();
        const auto first = std::from_chars(one.data(), end, shard);
        if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':' || shard >= shards)
            return false;
        const auto second = std::from_chars(first.ptr + 1, end, offset);
        if (second.ec != std::errc() || second.ptr != end) return false;
        moment.before[shard] = core::LogOffset{offset};
        return true;
    });
}

core::Result<View> read_view(Call& call) {
    View view;
    view.tenant = call.tenant();
    auto limit = call.limit();
    if (!limit) return core::fail(std::move(limit.error()));
    view.limit = *limit;
    view.prefix = call.text("prefix");
    auto after = call.key_cursor();
    if (!after) return core::fail(std::move(after.error()));
    view.after = std::move(*after);
    if (view.prefix.size() > kPrefixBytesMax) return bad("prefix", "is too long");
    const std::string space = call.text("space");
    if (!space.empty() && space != "kv" && space != "cache")
        return bad("space", "must be kv or cache");
    view.space = space.empty() ? "kv" : space;
    if (const std::string room = call.text("namespace"); !room.empty()) view.space += "/" + room;
    if (view.space.find('\0') != std::string::npos) return bad("namespace", "has a zero byte");
    view.at = call.text("at");
    view.moment.at_us = store::KvHistory::kNow;
    if (view.at.empty()) return view;
    if (read_positions(view.at, call.services.database().shards(), view.moment)) return view;
    view.moment.before.clear();
    auto at_us = call.time("at", 0);
    if (!at_us)
        return bad("at", "must be a time (RFC 3339) or positions (shard:offset, with commas)");
    view.moment.at_us = *at_us;
    return view;
}

ApiResponse page_response(const View& view, const store::KvHistory::Page& page,
                          std::int64_t since_us) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().key("items").begin_array();
    for (const store::KvItem& item : page.items) {
        json.begin_object().field("key", item.key).raw_field("value", item.value.text());
        if (item.value.expires_at_us != 0) time_field(json, "expiresAt", item.value.expires_at_us);
        json.end_object();
    }
    json.end_array()
        .field_or_null("next", page.next.empty() ? page.next : encode_key_cursor(page.next))
        .field_or_null("at", view.at);
    const bool kept = since_us != std::numeric_limits<std::int64_t>::max();
    time_field_or_null(json, "historySince", kept ? since_us : 0).end_object();
    return json_response(200, std::move(body));
}

}  // namespace

void list_kv(Call& call, const Respond& respond) {
    auto asked = read_view(call);
    if (!asked) return respond(error_response(asked.error()));
    auto view = std::make_shared<const View>(std::move(*asked));
    auto page = std::make_shared<core::Result<store::KvHistory::Page>>();
    store::KvHistory& history = call.services.database().kv_history();
    const bool taken = call.services.run_aside(
        Aside::kLook,
        [view, page, &history] {
            *page = history.list(view->tenant, view->space, view->prefix, view->moment, view->after,
                                 view->limit);
        },
        [view, page, respond, &history] {
            respond(*page ? page_response(*view, **page, history.since_us())
                          : error_response(page->error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
