// POST /v2/scripts/{id}/try: what a script would do with an event, and in what another version of
// it differs. Nothing is done. POST /v2/scripts/{id}/rollback: an older version is the newest
// again.
#include "core/event_parser.h"
#include "core/json_reader.h"
#include "core/made_id.h"
#include "runtime/api/documents.h"
#include "runtime/api/event_lookup.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/executors/script_trial.h"
#include "runtime/executors/trial_answers.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::int64_t kTrialMsMax = 10'000;  // others wait for the thread

struct Trial {
    Services& services;
    core::TenantId tenant;
    RegistrySnapshotRef registry;
    TrialCase what;
    Script script, against;  // their time is bounded here
    bool compares = false;
    bool source_given = false;
    bool masks_secrets = false;  // each is "****": as a recorded call has it
    std::string event_id;
    std::string body;
};

ScriptRef version_of(Services& services, core::TenantId tenant, std::string_view id,
                     std::uint32_t version) {
    for (const ScriptRef& script : services.registry().table<Script>().versions(tenant, id)) {
        if (script->version == version) return script;
    }
    return nullptr;
}

Script bounded(const Script& script) {
    Script out = script;
    out.timeout_ms = std::min(out.timeout_ms, kTrialMsMax);
    return out;
}

// An envelope, or what an endpoint or an API run gets.
core::Status take_event(Trial& trial, core::JsonElement given) {
    core::JsonElement pattern;
    core::append_json(trial.what.event, given);
    trial.what.event_is_value = !given.find("pattern", pattern);
    trial.what.now_us = trial.services.clock().wall_us();
    trial.event_id = core::make_id("evt_try_", trial.services.random(), 12);
    if (trial.what.event_is_value) return {};
    std::string text = trial.what.event;
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    auto parsed = parser.parse_one(std::string_view(text).substr(0, trial.what.event.size()),
                                   nullptr, envelope, nullptr);
    if (!parsed) {
        core::Error error = std::move(parsed.error());
        error.message.insert(0, "event: ");
        return core::fail(std::move(error).in("event"));
    }
    if (!envelope.event_id.empty()) trial.event_id = envelope.event_id;
    return {};
}

core::Status find_event_of(Trial& trial, const Call& call, const std::string& id,
                           const SourceChoice& source) {
    auto found = find_event(call.services.database(), call.tenant(), id, source);
    if (!found) return core::fail(std::move(found.error()));
    if (!*found || !may_see(call.request.principal, (*found)->event.event))
        return not_found("event", id);
    const store::StoredEvent& event = (*found)->event.event;
    trial.what.event = event.raw;
    trial.what.now_us = event.received_at_us;
    trial.event_id = event_id_of(event, call.services.database().hasher());
    return {};
}

core::Status read_versions(Trial& trial, core::JsonObject& in, const ScriptRef& current) {
    std::string source;
    trial.script = bounded(*current);
    if (in.text("source", source, {.bytes_min = 1, .bytes_max = kScriptSourceBytesMax})) {
        trial.script.source = source;
        trial.source_given = true;
    }
    std::int64_t version = 0;
    if (in.integer("version", version, 1, UINT32_MAX)) {
        const auto other = version_of(trial.services, trial.tenant, current->id,
                                      static_cast<std::uint32_t>(version));
        if (!other) {
            in.refuse("version", "is " + std::to_string(version) + ", which is not kept");
        } else {
            const bool given = trial.source_given;
            if (given) in.refuse("version", "and source exclude each other");
            trial.script = bounded(*other);
        }
    }
    const auto compare = in.any("compareWith");
    if (!compare || compare->is_null()) return {};
    std::string_view word;
    std::int64_t number = 0;
    ScriptRef other;
    if (compare->get(word) && word == "current")
        other = current;
    else if (compare->get(number) && number > 0 && number <= UINT32_MAX)
        other = version_of(trial.services, trial.tenant, current->id,
                           static_cast<std::uint32_t>(number));
    if (!other) {
        in.refuse("compareWith", "must be \"current\" or the number of a version that is kept");
        return {};
    }
    trial.against = bounded(*other);
    trial.compares = true;
    return {};
}

core::Result<std::shared_ptr<Trial>> read_trial(Call& call) {
    const std::string id(call.request.param("id"));
    const ScriptRef current = call.services.registry().find_script(call.tenant(), id);
    if (!current) return not_found("script", id);
    if (auto may = may_run(call.request.principal, *current); !may)
        return core::fail(std::move(may.error()));
    auto trial = std::make_shared<Trial>(Trial{.services = call.services,
                                               .tenant = call.tenant(),
                                               .registry = call.services.registry().snapshot(),
                                               .what = {},
                                               .script = {},
                                               .against = {},
                                               .event_id = {},
                                               .body = {}});
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    std::string event_id;
    SourceChoice source;
    in->text("eventId", event_id, {.bytes_min = 1, .bytes_max = 1024});
    in->text("sourceType", source.type);
    in->text("sourceId", source.id);
    const auto event = in->object("event");
    read_recorded_answers(*in, "calls", trial->what.answers);
    in->boolean("maskSecrets", trial->masks_secrets);
    if (auto read = read_versions(*trial, *in, current); !read) return core::fail(read.error());
    if (event.has_value() != event_id.empty())
        in->refuse("event", "or eventId: one of them is required, and not both");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    const core::Status taken = event ? take_event(*trial, *in->any("event"))
                                     : find_event_of(*trial, call, event_id, source);
    if (!taken) return core::fail(taken.error());
    return trial;
}

void run_trial(Trial& trial) {
    store::Database& database = trial.services.database();
    KvPending kv(database.kv());
    SecretNames secrets;
    TrialCase& what = trial.what;
    const std::int64_t now_us = trial.services.clock().wall_us();
    what.tenant = trial.tenant;
    what.event_id = trial.event_id;
    what.seed = kTrialSeed;
    what.kv_get = [&](KvSpace space, std::string_view key, std::string& value) {
        return kv.read(trial.tenant, space, key, now_us, value);
    };
    what.kv_list = [&](KvSpace space, std::string_view prefix, LuaHost::KvVisitor& visitor) {
        return kv.list(trial.tenant, space, prefix, now_us, visitor);
    };
    what.secret = [&](std::string_view name, std::string& value) {
        const SecretRef secret = secrets.find(*trial.registry, trial.tenant, name);
        if (secret) value += trial.masks_secrets ? "****" : secret->value;
        return secret != nullptr;
    };
    const auto run = [&](const Script& script) {
        what.script = &script;
        return runtime::try_script(what, trial.services.trial_slot());
    };
    const TrialOutcome now = run(trial.script);
    std::string& body = trial.body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("scriptId", trial.script.id);
    json.field("eventId", trial.event_id);
    if (trial.source_given)
        json.key("version").value(nullptr);
    else
        json.field("version", trial.script.version);
    append_trial(body, now);
    if (trial.compares) {
        const TrialOutcome against = run(trial.against);
        body += ",\"compareWith\":{\"version\":" + std::to_string(trial.against.version);
        append_trial(body, against);
        body += "},\"differs\":[";
        bool first = true;
        for (const std::string_view name : trial_differences(now, against)) {
            body += std::exchange(first, false) ? "\"" : ",\"";
            body.append(name) += '"';
        }
        body += ']';
    }
    body += '}';
    SecretMask mask;
    mask.of(*trial.registry, trial.tenant).hide_in_json(body, R"({"success":false})");
}

}  // namespace

void try_script(Call& call, const Respond& respond) {
    auto trial = read_trial(call);
    if (!trial) return respond(error_response(trial.error()));
    const bool taken = call.services.run_aside(
        Aside::kLook, [trial = *trial] { run_trial(*trial); },
        [trial = *trial, respond] { respond(json_response(200, std::move(trial->body))); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

Answer rollback_script(Call& call) {
    const std::string_view id = call.request.param("id");
    if (!call.services.registry().find_script(call.tenant(), id)) return not_found("script", id);
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    std::int64_t version = 0;
    in->integer("version", version, 1, UINT32_MAX, core::Presence::kRequired);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    const ScriptRef old =
        version_of(call.services, call.tenant(), id, static_cast<std::uint32_t>(version));
    if (!old) return not_found("version of script " + std::string(id), std::to_string(version));
    return changed<Script>(call,
                           call.services.registry().table<Script>().put(
                               change_context(call), id, document_kind<Script>().show(*old)),
                           200);
}

// The newest, or ?version=.
Answer get_script(Call& call) {
    const std::string wanted = call.text("version");
    if (wanted.empty()) return get_document<Script>(call);
    const std::string_view id = call.request.param("id");
    for (const ScriptRef& script :
         call.services.registry().table<Script>().versions(call.tenant(), id)) {
        if (std::to_string(script->version) == wanted) return document_response(200, *script);
    }
    return not_found("version of script " + std::string(id), wanted);
}

}  // namespace millrace::runtime::api
