// /v2/scripts/{id}/canary: a version of a script runs for a part of the keys, in the shadow (0) or
// for all (100), and is given up by itself.
#include "core/json_reader.h"
#include "runtime/api/audit.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/executors/canary_table.h"

#include <string>
#include <utility>

namespace millrace::runtime::api {
namespace {

ScriptRef version_of(Call& call, std::string_view id, std::int64_t version) {
    for (const ScriptRef& script :
         call.services.registry().table<Script>().versions(call.tenant(), id)) {
        if (script->version == version) return script;
    }
    return nullptr;
}

// The one before, of those that are kept.
ScriptRef version_before(Call& call, std::string_view id, std::uint32_t version) {
    ScriptRef found;
    for (const ScriptRef& script :
         call.services.registry().table<Script>().versions(call.tenant(), id)) {
        if (script->version < version && (!found || script->version > found->version))
            found = script;
    }
    return found;
}

ApiResponse shown(Call& call, ScriptNumber number) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object();
    call.services.canaries().append(json, number, call.services.clock().monotonic_ns());
    json.end_object();
    return json_response(200, std::move(body));
}

void read_rules(core::JsonObject& in, CanaryRules& rules) {
    auto on = in.object("rollbackOn");
    if (!on) return;
    on->number("errorRate", rules.error_rate, 0, 1);
    on->number("p99Factor", rules.p99_factor, 1, 1000);
    on->number("difference", rules.difference, 0, 1);
    on->integer("minRuns", rules.runs_min, 1, 1'000'000);
    (void)on->finish();
    in.join(*on);
}

core::Result<CanarySpec> read_canary(Call& call, const ScriptRef& current) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    CanarySpec spec;
    std::int64_t version = 0;
    in->integer("version", version, 1, UINT32_MAX, core::Presence::kRequired);
    in->number("percent", spec.percent, 0, 100);
    read_rules(*in, spec.rules);
    spec.candidate = version_of(call, current->id, version);
    if (version > 0 && !spec.candidate)
        in->refuse("version", "is " + std::to_string(version) + ", which is not kept");
    spec.baseline = current;
    if (spec.candidate && spec.candidate->version == current->version)
        spec.baseline = version_before(call, current->id, current->version);
    if (spec.candidate && !spec.baseline)
        in->refuse("version", "is the only one: there is nothing to compare it with");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    spec.tenant = call.tenant();
    spec.script_id = current->id;
    spec.number = current->number;
    spec.current = current->version;
    spec.began_us = call.services.clock().wall_us();
    return spec;
}

// The canary is over: everybody runs `version`, which is the newest or becomes that first, so that
// nobody runs the other one in between.
Answer end_with(Call& call, const CanarySpec& spec, const Script& version, bool is_newest) {
    Answer answer = is_newest ? get_document<Script>(call)
                              : changed<Script>(call,
                                                call.services.registry().table<Script>().put(
                                                    change_context(call), spec.script_id,
                                                    document_kind<Script>().show(version)),
                                                200);
    if (!answer) return answer;
    if (auto kept = call.services.keep_canary(nullptr, spec); !kept)
        return core::fail(kept.error());
    call.services.canaries().end(spec.number);
    return answer;
}

Answer promote(Call& call, const CanarySpec& spec) {
    Answer answer = end_with(call, spec, *spec.candidate, spec.candidate->version == spec.current);
    if (answer) {
        audit(call, "promote", "script", spec.script_id,
              [&](core::JsonWriter& json) { json.field("version", spec.candidate->version); });
    }
    return answer;
}

}  // namespace

Answer put_canary(Call& call) {
    const std::string_view id = call.request.param("id");
    const ScriptRef current = call.services.registry().find_script(call.tenant(), id);
    if (!current) return not_found("script", id);
    auto spec = read_canary(call, current);
    if (!spec) return core::fail(std::move(spec.error()));
    if (spec->percent >= 100) return promote(call, *spec);
    if (auto kept = call.services.keep_canary(&*spec, *spec); !kept)
        return core::fail(kept.error());
    audit(call, "canary", "script", current->id, [&](core::JsonWriter& json) {
        json.field("version", spec->candidate->version).field("percent", spec->percent);
    });
    const ScriptNumber number = spec->number;
    call.services.canaries().begin(std::move(*spec), call.services.clock().monotonic_ns());
    return shown(call, number);
}

Answer get_canary(Call& call) {
    const std::string_view id = call.request.param("id");
    const ScriptRef current = call.services.registry().find_script(call.tenant(), id);
    if (!current) return not_found("script", id);
    if (!call.services.canaries().find(current->number)) return not_found("canary of script", id);
    return shown(call, current->number);
}

// By hand what happens by itself when it does not go well.
Answer delete_canary(Call& call) {
    const std::string_view id = call.request.param("id");
    const ScriptRef current = call.services.registry().find_script(call.tenant(), id);
    if (!current) return not_found("script", id);
    const auto spec = call.services.canaries().find(current->number);
    if (!spec) return not_found("canary of script", id);
    const bool tries_newest =
        spec->current == current->version && spec->candidate->version == current->version;
    Answer answer = end_with(call, *spec, *spec->baseline, !tries_newest);
    if (answer) audit(call, "rollback", "script", id);
    return answer;
}

}  // namespace millrace::runtime::api
