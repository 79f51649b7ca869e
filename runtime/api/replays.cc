// /v2/replays: deliver a range of the log again.
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/api/replay_body.h"
#include "runtime/api/tenant_quota.h"
#include "runtime/replay/shadow_lane.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <optional>

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

}  // namespace

Answer start_replay(Call& call) {
    if (auto may = may_start_replay(call); !may) return core::fail(may.error());
    auto spec = read_replay_body(call);
    if (!spec) return core::fail(std::move(spec.error()));
    const bool dry_run = spec->dry_run;
    const std::string request = spec->document;
    std::optional<AuditPromise> promise;
    spec->beside = [&](store::RowBatch& rows, std::string_view made) {
        promise.emplace(call, "start", dry_run ? "dry_run" : "replay", made,
                        [&](core::JsonWriter& json) { append_request(json, request); });
        promise->put(rows);
    };
    auto id = call.services.start_replay(std::move(*spec));
    if (!id) return core::fail(std::move(id.error()));
    if (promise) promise->keep();
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("id", *id).field("status", "running").end_object();
    ApiResponse response = json_response(202, std::move(body));
    response.headers.emplace_back("Location", "/v2/replays/" + *id);
    return response;
}

Answer list_replays(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto cursor = call.key_cursor();
    if (!cursor) return core::fail(cursor.error());
    const auto page = call.services.replays(call.tenant(), *cursor, *limit);
    if (!page) return core::fail(page.error());
    ListBody body;
    for (const ReplayProgress& replay : page->replays) append_progress(body.json(), replay);
    return body.finish(page->next.empty() ? std::string() : encode_key_cursor(page->next));
}

Answer get_replay(Call& call) {
    auto replay = call.services.replay(call.tenant(), call.request.param("id"));
    if (!replay) return core::fail(std::move(replay.error()));
    return progress_response(*replay);
}

Answer cancel_replay(Call& call) {
    const std::string_view id = call.request.param("id");
    if (auto status = call.services.cancel_replay(call.tenant(), id); !status)
        return core::fail(status.error());
    audit(call, "cancel", "replay", id);
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
    }
    return body.finish(next);
}

}  // namespace millrace::runtime::api
