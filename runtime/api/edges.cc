// /v2/edges: those who send their events here, what each is at, and what they ask for themselves:
// their batches taken, and what is wanted of them.
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/overlap.h"
#include "runtime/api/pattern_bounds.h"
#include "runtime/hub/batch_desk.h"
#include "runtime/identity/credentials.h"
#include "runtime/registry/edge_token.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::api {
namespace {

// Of the folder that was heard last; what an edge has left behind does not grow. Of each shard its
// slowest lane.
std::optional<std::uint64_t> edge_lag(const hub::EdgeStatus& status) {
    const auto newest =
        std::max_element(status.shards.begin(), status.shards.end(),
                         [](const auto& a, const auto& b) { return a.mark.at_us < b.mark.at_us; });
    if (newest == status.shards.end()) return std::nullopt;
    if (status.seen_us == 0) return std::nullopt;  // not heard since the start
    std::map<std::uint32_t, std::uint64_t> of_shards;
    for (const hub::EdgeStatus::Shard& shard : status.shards) {
        if (shard.mark.incarnation != newest->mark.incarnation) continue;
        std::uint64_t& lag = of_shards[hub::shard_of(shard.mark.lane)];
        lag = std::max(lag, shard.end - std::min(shard.end, shard.mark.to));
    }
    std::uint64_t lag = 0;
    for (const auto& [shard, of_shard] : of_shards) lag += of_shard;
    return lag;
}

void append_lane(core::JsonWriter& json, const hub::EdgeMark& mark) {
    json.field("incarnation", hub::hash_text(mark.incarnation));
    json.field("shard", hub::shard_of(mark.lane)).field("to", mark.to);
    time_field(json, "at", mark.at_us);
}

void append_backfill_view(core::JsonWriter& json, const hub::EdgeMark& mark) {
    json.begin_object();
    append_lane(json, mark);
    json.key("run");
    hub::append_skip_run(json, *mark.backfill);
    json.field("taken", mark.taken).field("done", mark.done()).end_object();
}

void append_edge_status(core::JsonWriter& json, const hub::EdgeStatus& status) {
    std::uint64_t taken = 0, skipped = 0, rejected = 0, urgent = 0;
    std::int64_t at_us = 0;
    const auto count = [&](const hub::EdgeMark& mark) {
        taken += mark.taken;
        rejected += mark.rejected;
        at_us = std::max(at_us, mark.at_us);
    };
    for (const hub::EdgeStatus::Shard& shard : status.shards) {
        count(shard.mark);
        // Of each offset once: what went first is skipped by the rest.
        const bool first = hub::part_of(shard.mark.lane) == hub::kUrgentPart;
        (first ? urgent : skipped) +=
            first ? shard.mark.taken + shard.mark.rejected : shard.mark.skipped;
    }
    for (const hub::EdgeMark& mark : status.backfills) count(mark);
    json.begin_object();
    time_field_or_null(json, "lastSeenAt", std::max(status.seen_us, at_us));
    json.key("lag");
    const auto lag = edge_lag(status);
    lag ? json.value(*lag) : json.value(nullptr);
    json.field("taken", taken).field("duplicates", status.duplicates);
    json.field("skipped", skipped - std::min(skipped, urgent)).field("rejected", rejected);
    json.key("shards").begin_array();
    for (const hub::EdgeStatus::Shard& shard : status.shards) {
        json.begin_object();
        append_lane(json, shard.mark);
        json.field("first", hub::part_of(shard.mark.lane) == hub::kUrgentPart);
        json.key("skips").begin_array();
        for (const hub::SkipRun& run : shard.mark.skips) hub::append_skip_run(json, run);
        json.end_array().end_object();
    }
    json.end_array().key("backfills").begin_array();
    for (const hub::EdgeMark& mark : status.backfills) append_backfill_view(json, mark);
    json.end_array().key("lastError");
    if (status.last_error_at_us == 0) {
        json.value(nullptr);
    } else {
        json.begin_object().field("message", status.last_error);
        time_field(json, "at", status.last_error_at_us).end_object();
    }
    json.end_object();
}

std::string edge_view(Services& services, const EdgeNode& edge) {
    std::string out = document_kind<EdgeNode>().show(edge);
    out.pop_back();
    out += ",\"status\":";
    core::JsonWriter json(out);
    append_edge_status(json, services.edges()->look(edge.number));
    return out + "}";
}

// By the token alone: edges have no key. Whoever's it is not learns nothing of who is enrolled.
core::Result<EdgeRef> asking_edge(const Call& call) {
    const std::string_view token = identity::bearer_of(call.request.header("Authorization"));
    if (token.empty()) return core::fail(edge_token_needed());
    auto edge = call.services.edges()->known_by(call.request.param("id"), token);
    if (!edge) return core::fail(edge_token_needed());
    if (call.services.registry().snapshot()->is_suspended(edge->tenant))
        return core::fail(core::ErrorCode::kForbidden, "the edge's tenant is suspended");
    return edge;
}

ApiResponse batch_refused(const core::Error& error) {
    ApiResponse response = error_response(error);
    if (error.code != core::ErrorCode::kConflict) return response;
    response.body.clear();
    core::JsonWriter json(response.body);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message", error.message).field("code", core::error_code_text(error.code));
    json.field("statusCode", response.status).key("details").begin_object();
    json.field("reason", "cloned").end_object().end_object().end_object();
    return response;
}

// The one time that it is seen.
Answer with_token(Answer&& answer, std::string_view token) {
    if (answer) answer->body.insert(1, "\"token\":\"" + std::string(token) + "\",");
    if (answer) answer->headers.emplace_back("Cache-Control", "no-store");
    return std::move(answer);
}

}  // namespace

Answer enroll_edge(Call& call) {
    const std::string token = edge_token_of(tenant_name(call.tenant()));
    auto made = call.services.registry().table<EdgeNode>().create(
        change_context(call), call.request.body_view(), [&](EdgeNode& edge) {
            take_edge_token(edge, token);
            return within_patterns(call.request.principal, edge);
        });
    return with_token(changed<EdgeNode>(call, std::move(made), 201), token);
}

// The edge needs the new one before the overlap is over.
Answer rotate_edge(Call& call) {
    const auto overlap_us = overlap_of(call);
    if (!overlap_us) return core::fail(overlap_us.error());
    const std::int64_t now_us = call.services.clock().wall_us();
    const std::string token = edge_token_of(tenant_name(call.tenant()));
    auto made = call.services.registry().table<EdgeNode>().amend(
        change_context(call), call.request.param("id"), "rotate", [&](EdgeNode& next) {
            retire_text(next.retired, next.hash, now_us, *overlap_us);
            take_edge_token(next, token);
            return within_patterns(call.request.principal, next);
        });
    return with_token(changed<EdgeNode>(call, std::move(made), 200), token);
}

Answer patch_edge(Call& call) {
    auto answer = change_document<EdgeNode, &DocumentTable<EdgeNode>::patch>(call);
    if (!answer) return answer;
    const auto edge =
        call.services.registry().table<EdgeNode>().find(call.tenant(), call.request.param("id"));
    if (edge) answer->body = edge_view(call.services, *edge);
    return answer;
}

// Who has asked for it stands in the audit log, as of any change.
void backfill_edge(Call& call, const Respond& respond) {
    const std::string_view id = call.request.param("id");
    if (auto whole = check_no_members(call); !whole) return respond(error_response(whole.error()));
    auto& table = call.services.registry().table<EdgeNode>();
    auto noted = changed<EdgeNode>(
        call,
        table.amend(change_context(call), id, "backfill", [](EdgeNode&) { return core::Status{}; }),
        202);
    if (!noted) return respond(error_response(noted.error()));
    const auto edge = table.find(call.tenant(), id);
    call.services.edges()->ask_for_the_rest(
        edge, [respond](core::Result<std::vector<hub::EdgeMark>>&& asked) {
            if (!asked) return respond(error_response(asked.error()));
            std::string body;
            core::JsonWriter json(body);
            json.begin_object().key("backfills").begin_array();
            for (const hub::EdgeMark& mark : *asked) append_backfill_view(json, mark);
            json.end_array().end_object();
            respond(json_response(202, std::move(body)));
        });
}

Answer get_edge(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto edge = call.services.registry().table<EdgeNode>().find(call.tenant(), id);
    if (!edge) return not_found("edge", id);
    ApiResponse response = document_response(200, *edge);
    response.body = edge_view(call.services, *edge);
    return response;
}

Answer list_edges(Call& call) {
    return list_chosen<EdgeNode>(
        call, [](const EdgeNode&) { return true; },
        [&call](const EdgeNode& edge) { return edge_view(call.services, edge); });
}

Answer edge_filters(Call& call) {
    const auto edge = asking_edge(call);
    if (!edge) return core::fail(edge.error());
    call.services.edges()->heard(**edge);
    return json_response(200, call.services.edges()->told_to(**edge));
}

void take_batch(Call& call, const Respond& respond) {
    const auto edge = asking_edge(call);
    if (!edge) return respond(error_response(edge.error()));
    const bool follows = call.request.header(hub::kFollowsHeader) == "true";
    call.services.edges()->take(
        *edge, call.request.body_view(), follows ? hub::Follows::kYes : hub::Follows::kMaybe,
        [respond, desk = call.services.edges(),
         tenant = (*edge)->tenant](core::Result<hub::BatchTaken>&& taken) {
            if (!taken) return respond(batch_refused(taken.error()));
            std::string body;
            core::JsonWriter json(body);
            json.begin_object().field("to", taken->to).field("hash", hub::hash_text(taken->hash));
            json.field("events", taken->events).field("window", hub::kBatchBytesMax);
            json.field("filterVersion", hub::hash_text(desk->filters().of(tenant).version));
            json.end_object();
            respond(json_response(200, std::move(body)));
        });
}

}  // namespace millrace::runtime::api
