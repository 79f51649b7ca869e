// /v2/replays: deliver a range of the log again.
#include "matcher/subscription_spec.h"
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/event/snake_names.h"
#include "runtime/replay/shadow_lane.h"
#include "store/rows/kv_history.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace millrace::runtime::api {
namespace {

constexpr double kEventsPerSecondMax = 1e9;
constexpr double kSpeedMax = 1e6;
constexpr std::size_t kReplaySubscriptionsMax = 10'000;
constexpr std::size_t kDifferencesPageBytes = 4u << 20;

// "instant", "original", "10x" (times as fast as it was), or a number of events a second (as a
// number or as text).
void read_pace(core::JsonObject& in, ReplaySpec& spec) {
    const auto element = in.any("pace");
    if (!element) return;
    std::string_view text;
    double number = 0;
    if (element->get(text)) {
        if (text == "instant") return;
        if (text == "original") {
            spec.pace = ReplayPace::kOriginal;
            return;
        }
        const bool times = text.ends_with('x');
        if (times) text.remove_suffix(1);
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size()) number = 0;
        if (times && number > 0 && number <= kSpeedMax) {
            spec.pace = ReplayPace::kOriginal;
            spec.speed = number;
            return;
        }
        if (times) number = 0;
    } else if (!element->get(number)) {
        number = 0;
    }
    if (!(number > 0 && number <= kEventsPerSecondMax)) {
        return in.refuse(
            "pace",
            "must be \"instant\", \"original\", \"10x\" or a number of events a second above 0");
    }
    spec.pace = ReplayPace::kPerSecond;
    spec.events_per_second = number;
}

// `filter` (an expression) or `filters` (map or list); not both.
void read_filter(core::JsonObject& in, ReplaySpec& spec) {
    in.text("filter", spec.filter, {.bytes_max = 64u << 10});
    if (const auto filters = in.any("filters"); filters && !filters->is_null()) {
        if (!spec.filter.empty()) return in.refuse("filters", "and filter exclude each other");
        core::append_json(spec.filter, *filters);
    }
    if (spec.filter.empty()) return;
    if (auto predicate = matcher::parse_any_filter(spec.filter); !predicate)
        in.join("filter", predicate.error());
}

tl::unexpected<core::Error> bad(std::string_view field, std::string text) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(field) + ": " + std::move(text))
            .in(std::string(field)));
}

core::Result<ScriptRef> find_version(Call& call, std::string_view field, std::string_view id,
                                     std::uint32_t version) {
    std::string there;
    for (const ScriptRef& script : call.services.registry().script_versions(call.tenant(), id)) {
        if (script->version == version) return script;
        there += (there.empty() ? "" : ", ") + std::to_string(script->version);
    }
    return bad(field, "script \"" + std::string(id) + "\" has no version " +
                          std::to_string(version) + "; kept are " + there);
}

// What a dry run's body says beyond a replay's.
struct ShadowBody {
    std::string script_id;
    std::int64_t version = 0;  // 0: the current one
    std::int64_t against = 0;  // 0: what was recorded
    std::optional<ShadowKv> kv;
};

void read_shadow_body(core::JsonObject& in, ShadowBody& out) {
    static constexpr std::array<std::pair<std::string_view, ShadowKv>, 3> kKvs{
        {{"now", ShadowKv::kNow}, {"then", ShadowKv::kThen}, {"empty", ShadowKv::kEmpty}}};
    in.text("scriptId", out.script_id, {.bytes_max = kResourceIdBytesMax});
    in.integer("scriptVersion", out.version, 1, UINT32_MAX);
    if (const auto against = in.any("against"); against && !against->is_null()) {
        std::string_view text;
        const bool recorded = against->get(text) && text == "recorded";
        if (!recorded &&
            (!against->get(out.against) || out.against < 1 || out.against > UINT32_MAX))
            in.refuse("against", "must be \"recorded\" or the number of a script's version");
    }
    ShadowKv kv = ShadowKv::kNow;
    if (in.any("kv")) {
        in.choice("kv", kv, kKvs);
        out.kv = kv;
    }
}

core::Result<std::shared_ptr<const ShadowSpec>> make_shadow(Call& call, const ReplaySpec& spec,
                                                            const ShadowBody& body) {
    auto shadow = std::make_shared<ShadowSpec>();
    shadow->tenant = spec.tenant;
    if (body.script_id.empty() && (body.version != 0 || body.against != 0)) {
        return bad(body.version != 0 ? "scriptVersion" : "against",
                   "a version is one of a script's; name it in scriptId");
    }
    if (!body.script_id.empty()) {
        shadow->script = call.services.registry().find_script(call.tenant(), body.script_id);
        if (!shadow->script) return bad("scriptId", "no script has that id");
        if (body.version != 0) {
            auto found = find_version(call, "scriptVersion", body.script_id,
                                      static_cast<std::uint32_t>(body.version));
            if (!found) return core::fail(std::move(found.error()));
            shadow->script = std::move(*found);
        }
        if (body.against != 0) {
            auto found = find_version(call, "against", body.script_id,
                                      static_cast<std::uint32_t>(body.against));
            if (!found) return core::fail(std::move(found.error()));
            shadow->against = std::move(*found);
        }
    }
    // What was recorded was made of kv as it was: where the history reaches back, so is this.
    const bool reaches = spec.from_us >= call.services.database().kv_history().since_us();
    shadow->kv = body.kv.value_or(reaches ? ShadowKv::kThen : ShadowKv::kNow);
    shadow->kv_at_us = spec.from_us;
    if (shadow->kv == ShadowKv::kThen && !reaches) {
        return bad("kv", "the history of kv does not reach back to from; \"now\" or \"empty\"");
    }
    return std::shared_ptr<const ShadowSpec>(std::move(shadow));
}

// "all", or the ids of those that get the events. Never all by an omission: a replay to everybody
// is asked for by name. A dry run, which delivers nothing, may leave it out.
void read_chosen(core::JsonObject& in, bool dry_run, std::vector<std::string>& ids) {
    const auto element = in.any("subscriptionIds");
    if (!element && dry_run) return;
    std::string_view text;
    if (element && element->get(text) && text == "all") return;
    if (element && element->is_array())
        in.text_list("subscriptionIds", ids, kReplaySubscriptionsMax);
    if (ids.empty()) in.refuse("subscriptionIds", "must be a list of at least one id, or \"all\"");
}

// A dry run of a script that no chosen handler runs would find nothing and say that all is well.
bool is_run_by_any(Call& call, const ReplaySpec& spec, const Script& script) {
    bool found = false;
    call.services.registry().list_subscriptions(
        call.tenant(), "", [&](const SubscriptionRef& subscription) {
            const auto& only = spec.subscriptions;
            found = subscription->executor.script_id == script.id &&
                    (only.empty() ||
                     std::find(only.begin(), only.end(), subscription->number) != only.end());
            return !found;
        });
    return found;
}

core::Result<ReplaySpec> read_spec(Call& call) {
    core::JsonDocument document;
    const std::string sent = with_camel_case_names(call.request.body_view());
    auto in = document.parse_object(sent);
    if (!in) return core::fail(std::move(in.error()));
    ReplaySpec spec;
    spec.tenant = call.tenant();
    spec.to_us = call.services.clock().wall_us();
    const std::int64_t now_us = spec.to_us;
    read_moment(*in, "from", now_us, spec.from_us);
    read_moment(*in, "to", now_us, spec.to_us);
    if (in->ok() && spec.from_us > spec.to_us) in->refuse("from", "is later than to");
    in->text("pattern", spec.pattern, {.bytes_max = core::kPatternBytesMax});
    in->text("patternPrefix", spec.pattern_prefix, {.bytes_max = core::kPatternBytesMax});
    read_filter(*in, spec);
    std::vector<std::string> ids;
    read_pace(*in, spec);
    in->boolean("dryRun", spec.dry_run);
    ShadowBody shadow;
    read_shadow_body(*in, shadow);
    if (in->ok() && !spec.dry_run) {
        for (const char* name : {"scriptId", "scriptVersion", "against", "kv"}) {
            if (in->any(name)) in->refuse(name, "is for dry runs: add \"dryRun\":true");
        }
    }
    read_chosen(*in, spec.dry_run, ids);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    for (const std::string& id : ids) {
        const SubscriptionRef subscription =
            call.services.registry().find_subscription(call.tenant(), id);
        if (!subscription) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "subscriptionIds has \"" + id.substr(0, 128) +
                                              "\"; no subscription has that id")
                                  .in("subscriptionIds"));
        }
        spec.subscriptions.push_back(subscription->number);
    }
    if (spec.dry_run) {
        auto made = make_shadow(call, spec, shadow);
        if (!made) return core::fail(std::move(made.error()));
        spec.shadow = std::move(*made);
        if (const auto& script = spec.shadow->script;
            script && !is_run_by_any(call, spec, *script)) {
            return bad("scriptId", "no chosen handler runs script \"" + script->id + "\"");
        }
    }
    auto root = document.parse(call.request.body_view());
    if (root) core::append_json(spec.document, *root);
    return spec;
}

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
    json.raw_field("position",
                   replay.position.empty() ? "null" : std::string_view(replay.position));
    json.field_or_null("error", replay.error);
    time_field(json, "createdAt", replay.created_at_us);
    time_field(json, "updatedAt", replay.updated_at_us);
    json.raw_field("request", replay.document.empty() ? "{}" : std::string_view(replay.document))
        .end_object();
}

ApiResponse progress_response(const ReplayProgress& replay) {
    std::string body;
    core::JsonWriter json(body);
    append_progress(json, replay);
    return json_response(200, std::move(body));
}

}  // namespace

Answer start_replay(Call& call) {
    auto spec = read_spec(call);
    if (!spec) return core::fail(std::move(spec.error()));
    const bool dry_run = spec->dry_run;
    const std::string request = spec->document;
    auto id = call.services.start_replay(std::move(*spec));
    if (!id) return core::fail(std::move(id.error()));
    audit(call, "start", dry_run ? "dry_run" : "replay", *id,
          [&](core::JsonWriter& json) { append_request(json, request); });
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("id", *id).field("status", "running").end_object();
    ApiResponse response = json_response(202, std::move(body));
    response.headers.emplace_back("Location", "/v2/replays/" + *id);
    return response;
}

// The cursor is the id of the page's last one.
Answer list_replays(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto cursor = call.key_cursor();
    if (!cursor) return core::fail(cursor.error());
    const std::vector<ReplayProgress> all = call.services.replays(call.tenant());
    std::size_t at = 0;
    if (!cursor->empty()) {
        while (at < all.size() && all[at].id != *cursor) ++at;
        if (at++ == all.size()) return core::fail(call.bad_cursor());
    }
    ListBody body;
    const std::size_t end = std::min(all.size(), at + *limit);
    for (; at < end; ++at) append_progress(body.json(), all[at]);
    return body.finish(end < all.size() ? encode_key_cursor(all[end - 1].id) : std::string());
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
        bytes += (*rows)[i].json.size();
        body.json().raw((*rows)[i].json);
    }
    return body.finish(next);
}

}  // namespace millrace::runtime::api
