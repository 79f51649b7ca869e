#include "runtime/api/replay_body.h"

#include "matcher/subscription_spec.h"
#include "runtime/api/pattern_bounds.h"
#include "runtime/delivery/delivery_id.h"
#include "runtime/event/snake_names.h"
#include "runtime/event/source_type.h"
#include "runtime/registry/document_body.h"
#include "store/rows/kv_history.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace millrace::runtime::api {
namespace {

constexpr double kEventsPerSecondMax = 1e9;
constexpr double kSpeedMax = 1e6;
constexpr std::size_t kReplaySubscriptionsMax = 10'000;
constexpr std::size_t kReplayIdBytesMax = 64;

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
    std::string& filter = spec.criteria.filter;
    in.text("filter", filter, {.bytes_max = 64u << 10});
    if (const auto filters = in.any("filters"); filters && !filters->is_null()) {
        if (!filter.empty()) return in.refuse("filters", "and filter exclude each other");
        core::append_json(filter, *filters);
    }
    if (filter.empty()) return;
    if (auto predicate = matcher::parse_any_filter(filter); !predicate)
        in.join("filter", predicate.error());
}

// What a list of events takes, under the same names.
void read_criteria(core::JsonObject& in, std::int64_t now_us, ReplaySpec& spec) {
    EventCriteria& of = spec.criteria;
    in.text("pattern", of.pattern, {.bytes_max = core::kPatternBytesMax});
    in.text("patternPrefix", of.pattern_prefix, {.bytes_max = core::kPatternBytesMax});
    in.text("sourceType", of.source_type);
    if (!is_source_type(of.source_type))
        in.refuse("sourceType", "expected " + std::string(kSourceTypes));
    in.text("sourceId", of.source_id, {.bytes_max = core::kEventIdBytesMax});
    in.text("correlationId", of.correlation_id, {.bytes_max = core::kEventIdBytesMax});
    in.text("causationId", of.causation_id, {.bytes_max = core::kEventIdBytesMax});
    in.text("contextId", of.context_id, {.bytes_max = core::kEventIdBytesMax});
    read_moment(in, "eventTimeFrom", now_us, of.event_time_from_us);
    read_moment(in, "eventTimeTo", now_us, of.event_time_to_us);
    if (in.ok() && of.event_time_from_us > of.event_time_to_us)
        in.refuse("eventTimeFrom", "is later than eventTimeTo");
    read_filter(in, spec);
    if (!in.ok()) return;
    if (auto filter = EventFilter::make(of); !filter) in.join(filter.error().field, filter.error());
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

// Whoever gives it an id can ask for it again without beginning it twice. Its deliveries' ids hang
// on what it begins with.
void read_id(core::JsonObject& in, ReplaySpec& spec) {
    if (!in.text("id", spec.id, {.bytes_min = 1, .bytes_max = kReplayIdBytesMax})) return;
    if (!is_resource_id(spec.id))
        return in.refuse("id", "may hold letters, digits and _ - . : @ only");
    if (spec.id.starts_with(kNewIdsReplayPrefix) != spec.new_ids) {
        in.refuse("id", spec.new_ids ? "of a replay with newIds begins with \"rpn_\""
                                     : "may not begin with \"rpn_\": that is one with newIds");
    }
}

// Of one partition of several.
void take_part(const PartOrder& part, ReplaySpec& spec) {
    if (!part.id.empty()) spec.id = part.id;
    spec.created_at_us = part.at_us;
    spec.counted_to = part.ends;
    if (!part.looks) spec.expect = part.expect.value_or(-1);
    spec.events_per_second /= static_cast<double>(part.parts);
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

}  // namespace

core::Result<ReplaySpec> read_replay_body(Call& call, const PartOrder& part) {
    core::JsonDocument document;
    const auto sent = camel_case_body(call.request.body_view());
    if (!sent) return core::fail(sent.error());
    auto in = document.parse_object(*sent);
    if (!in) return core::fail(std::move(in.error()));
    ReplaySpec spec;
    spec.tenant = call.tenant();
    spec.to_us = call.services.clock().wall_us();
    const std::int64_t now_us = spec.to_us;
    read_moment(*in, "from", now_us, spec.from_us);
    read_moment(*in, "to", now_us, spec.to_us);
    if (in->ok() && spec.from_us > spec.to_us) in->refuse("from", "is later than to");
    read_criteria(*in, now_us, spec);
    spec.criteria.within = patterns_of(call.request.principal);
    std::vector<std::string> ids;
    read_pace(*in, spec);
    in->boolean("dryRun", spec.dry_run);
    in->boolean("newIds", spec.new_ids);
    in->integer("expect", spec.expect, 0, INT64_MAX);
    if (spec.new_ids && spec.dry_run) in->refuse("newIds", "is for replays that deliver");
    ShadowBody shadow;
    read_shadow_body(*in, shadow);
    if (in->ok() && !spec.dry_run) {
        for (const char* name : {"scriptId", "scriptVersion", "against", "kv"}) {
            if (in->any(name)) in->refuse(name, "is for dry runs: add \"dryRun\":true");
        }
    }
    read_chosen(*in, spec.dry_run, ids);
    read_id(*in, spec);
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
    if (part.there) take_part(part, spec);
    return spec;
}

}  // namespace millrace::runtime::api
