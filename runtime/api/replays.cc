// /v2/replays: deliver a range of the log again.
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/api/part_order.h"
#include "runtime/api/replay_body.h"
#include "runtime/api/tenant_quota.h"
#include "runtime/replay/replay_history.h"
#include "runtime/replay/replay_runner.h"
#include "runtime/replay/shadow_lane.h"
#include "store/log/event_search.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kDifferencesPageBytes = 4u << 20;

void append_progress(core::JsonWriter& json, const ReplayProgress& replay) {
    json.begin_object()
        .field("id", replay.id)
        .field("status", replay.status)
        .field("scanned", replay.scanned);
    json.field("matched", replay.matched)
        .field("notDue", replay.not_due)
        .field("delivered", replay.delivered)
        .field("failed", replay.failed);
    json.field("dryRun", replay.dry_run);
    if (replay.dry_run) {
        const ShadowTotals& diff = replay.shadow;
        json.key("diff").begin_object().field("compared", diff.compared);
        json.field("same", diff.compared - diff.different).field("different", diff.different);
        json.field("missing", diff.missing).field("status", diff.status).field("error", diff.error);
        json.field("result", diff.result).field("emitted", diff.emitted).field("kv", diff.kv);
        json.field("kept", std::min<std::uint64_t>(diff.different, kDifferencesKept)).end_object();
    }
    json.raw_field("range", replay.range.empty() ? "null" : std::string_view(replay.range));
    json.raw_field("position",
                   replay.position.empty() ? "null" : std::string_view(replay.position));
    json.field_or_null("error", replay.error);
    time_field(json, "createdAt", replay.created_at_us);
    time_field(json, "updatedAt", replay.updated_at_us);
    json.raw_field("request", replay.document.empty() ? "{}" : std::string_view(replay.document))
        .end_object();
}

// What a dry run has found of events that are none of a key's business is none of it either.
bool may_see_difference(const identity::Principal& by, std::string_view row) {
    if (!by.is_bounded()) return true;
    core::JsonDocument document;
    std::string_view pattern;
    core::JsonElement member;
    const auto difference = document.parse(row);
    return difference && difference->find("pattern", member) && member.get(pattern) &&
           by.may_see(pattern);
}

ApiResponse progress_response(const ReplayProgress& replay) {
    std::string body;
    core::JsonWriter json(body);
    append_progress(json, replay);
    return json_response(200, std::move(body));
}

// What is left of the call while its events are counted.
struct AskedReplay {
    Services& services;
    identity::Principal by;
    std::string members;  // audit_members()
    ReplaySpec spec;
    core::Result<std::uint64_t> counted = std::uint64_t{0};
};

std::vector<core::LogOffset> ends_now(const store::Database& database) {
    std::vector<core::LogOffset> ends;
    for (std::size_t i = 0; i < database.shards(); ++i)
        ends.push_back(database.durable_end(core::ShardId(static_cast<std::uint16_t>(i))));
    return ends;
}

// The events that `expect` is about: those that GET /v2/events?count=1 counts, up to a place that
// the replay does not pass either. On the sideline.
core::Result<std::uint64_t> count_selected(AskedReplay& asked) {
    constexpr std::uint64_t kEventsAtOnce = 4'000'000;
    const auto filter = EventFilter::make(asked.spec.criteria);
    if (!filter) return core::fail(filter.error());
    const EventCriteria& criteria = (*filter)->criteria();
    std::uint64_t count = 0;
    std::string cursor;
    store::EventQuery query;
    query.tenant = asked.spec.tenant;
    query.pattern = (*filter)->exact_pattern();
    query.pattern_prefix = (*filter)->pattern_prefix();
    query.from_us = asked.spec.from_us;
    query.to_us = asked.spec.to_us;
    query.source_id = criteria.source_id;
    query.correlation_id = criteria.correlation_id;
    query.causation_id = criteria.causation_id;
    query.context_id = criteria.context_id;
    store::Database& database = asked.services.database();
    if (asked.spec.counted_to.empty()) asked.spec.counted_to = ends_now(database);
    const std::vector<core::LogOffset>& ends = asked.spec.counted_to;
    if (ends.size() != database.shards())
        return core::fail(core::ErrorCode::kValidation, "ends: are not of this partition");
    query.accept = [&](const store::StoredEvent& event) {
        count += event.position.offset < ends[event.position.shard.value] &&
                 (*filter)->accepts(event) && asked.by.may_see(event.pattern);
        return false;
    };
    query.order = store::SearchOrder::kOldestFirst;
    query.events_max = kEventsAtOnce;
    do {
        query.cursor = cursor;
        auto page = database.event_search().search(query);
        if (!page) return core::fail(std::move(page.error()));
        cursor = std::move(page->next);
    } while (!cursor.empty());
    return count;
}

core::Status check_expected(const AskedReplay& asked) {
    if (!asked.counted) return core::fail(asked.counted.error());
    if (*asked.counted == static_cast<std::uint64_t>(asked.spec.expect)) return {};
    return core::fail(
        core::Error(core::ErrorCode::kConflict, "expect is " + std::to_string(asked.spec.expect) +
                                                    ", and " + std::to_string(*asked.counted) +
                                                    " events would be replayed; nothing was begun")
            .in("expect"));
}

// Where it ends, of one that was begun before: what was counted for it lies before.
std::vector<core::LogOffset> ends_of(const ReplayProgress& replay) {
    std::vector<core::LogOffset> ends;
    core::JsonDom dom;
    core::JsonArray shards;
    const auto range = dom.parse(replay.range);
    if (!range || !range->get(shards)) return ends;
    for (const core::JsonElement shard : shards) {
        core::JsonElement member;
        std::uint64_t to = 0;
        if (shard.find("to", member)) member.get(to);
        ends.emplace_back(to);
    }
    return ends;
}

// To the front of a cluster: what this partition's part would be, or is.
ApiResponse looked(const AskedReplay& asked, std::string_view status) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field_or_null("status", status);
    if (asked.spec.expect >= 0) json.field("count", *asked.counted);
    json.key("ends").begin_array();
    for (const core::LogOffset end : asked.spec.counted_to) json.value(end.value);
    json.end_array().end_object();
    return json_response(200, std::move(body));
}

void look_at_replay(const std::shared_ptr<AskedReplay>& asked, const Respond& respond) {
    Services& services = asked->services;
    std::string status;
    if (!asked->spec.id.empty()) {
        if (const auto there = services.replay(asked->spec.tenant, asked->spec.id)) {
            if (there->document != asked->spec.document)
                return respond(error_response(ReplayRunner::asked_otherwise(there->id)));
            status = there->status;
            asked->spec.counted_to = ends_of(*there);
        }
    }
    if (asked->spec.counted_to.empty()) asked->spec.counted_to = ends_now(services.database());
    if (asked->spec.expect < 0) return respond(looked(*asked, status));
    const bool taken = services.run_aside(
        Aside::kLook, [asked] { asked->counted = count_selected(*asked); },
        [asked, respond, status] {
            if (!asked->counted) return respond(error_response(asked->counted.error()));
            respond(looked(*asked, status));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

ApiResponse begin_replay(AskedReplay& asked) {
    const bool dry_run = asked.spec.dry_run;
    const std::string request = asked.spec.document;
    std::optional<AuditPromise> promise;
    asked.spec.beside = [&](store::RowBatch& rows, std::string_view made) {
        promise.emplace(
            asked.services, asked.by, "start", dry_run ? "dry_run" : "replay", made,
            [&](core::JsonWriter& json) { append_request(json, request); }, asked.members);
        promise->put(rows);
    };
    auto id = asked.services.start_replay(std::move(asked.spec));
    if (!id) return error_response(id.error());
    std::string status = "running";
    if (promise) {
        promise->keep();
    } else if (const auto there = asked.services.replay(asked.by.tenant, *id)) {
        status = there->status;  // it was begun before
    }
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("id", *id).field("status", status).end_object();
    ApiResponse response = json_response(202, std::move(body));
    response.headers.emplace_back("Location", "/v2/replays/" + *id);
    return response;
}

}  // namespace

void start_replay(Call& call, const Respond& respond) {
    const auto part = part_order_of(call);
    if (!part) return respond(error_response(part.error()));
    auto spec = read_replay_body(call, *part);
    if (!spec) return respond(error_response(spec.error()));
    auto asked = std::make_shared<AskedReplay>(AskedReplay{
        call.services, call.request.principal, audit_members(call.request), std::move(*spec)});
    const bool again =
        !asked->spec.id.empty() && call.services.replay(call.tenant(), asked->spec.id);
    if (again && !part->there) return respond(begin_replay(*asked));
    if (auto may = may_start_replay(call); !again && !may)
        return respond(error_response(may.error()));
    if (part->looks) return look_at_replay(asked, respond);
    if (again || asked->spec.expect < 0) return respond(begin_replay(*asked));
    const bool taken = call.services.run_aside(
        Aside::kLook, [asked] { asked->counted = count_selected(*asked); },
        [asked, respond] {
            if (auto as_expected = check_expected(*asked); !as_expected)
                return respond(error_response(as_expected.error()));
            respond(begin_replay(*asked));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

Answer list_replays(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto cursor = call.key_cursor();
    if (!cursor) return core::fail(cursor.error());
    const auto page = call.services.replays(call.tenant(), *cursor, *limit);
    if (!page) return core::fail(page.error());
    ListBody body;
    ListPlaces places(call.request);
    for (const ReplayProgress& replay : page->replays) {
        append_progress(body.json(), replay);
        places.add(replay.created_at_us,
                   encode_key_cursor(ReplayHistory::cursor_at(replay.created_at_us, replay.id)));
    }
    ApiResponse whole =
        body.finish(page->next.empty() ? std::string() : encode_key_cursor(page->next));
    places.append_to(whole);
    return whole;
}

Answer get_replay(Call& call) {
    auto replay = call.services.replay(call.tenant(), call.request.param("id"));
    if (!replay) return core::fail(std::move(replay.error()));
    return progress_response(*replay);
}

Answer cancel_replay(Call& call) {
    const std::string_view id = call.request.param("id");
    const AuditPromise promise(call, "cancel", "replay", id);
    bool cancels = false;  // else it was cancelled before
    const auto status = call.services.cancel_replay(call.tenant(), id, [&](store::RowBatch& rows) {
        promise.put(rows);
        cancels = true;
    });
    if (!status) return core::fail(status.error());
    if (cancels) promise.keep();
    auto replay = call.services.replay(call.tenant(), id);
    if (!replay) return core::fail(std::move(replay.error()));
    return progress_response(*replay);
}

Answer list_replay_differences(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const std::string id(call.request.param("id"));
    auto replay = call.services.replay(call.tenant(), id);
    if (!replay) return core::fail(std::move(replay.error()));
    if (!replay->dry_run) {
        return core::fail(core::ErrorCode::kConflict,
                          "replay '" + id + "' is no dry run: it compared nothing");
    }
    const auto cursor = call.key_cursor();
    if (!cursor) return core::fail(cursor.error());
    auto rows = call.services.database().registry().list(
        kReplayDiffKind, id + "/", cursor->empty() ? "" : id + "/" + *cursor, *limit + 1);
    if (!rows) return core::fail(std::move(rows.error()));
    if (rows->empty() && cursor->empty() && replay->shadow.different > 0) {
        return core::fail(core::ErrorCode::kNotFound,
                          "the differences of dry run '" + id +
                              "' are gone: only those of the latest dry runs are kept");
    }
    ListBody body;
    ListPlaces places(call.request);
    places.begin_at(call.text("cursor"));
    std::string next;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        if (i == *limit || bytes > kDifferencesPageBytes) {
            next = encode_key_cursor((*rows)[i - 1].id.substr(id.size() + 1));
            break;
        }
        if (!may_see_difference(call.request.principal, (*rows)[i].json)) continue;
        bytes += (*rows)[i].json.size();
        body.json().raw((*rows)[i].json);
        places.add(0, encode_key_cursor((*rows)[i].id.substr(id.size() + 1)));
    }
    ApiResponse whole = body.finish(next);
    places.append_to(whole);
    return whole;
}

}  // namespace millrace::runtime::api
