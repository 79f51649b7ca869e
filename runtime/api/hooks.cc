// /v2/hooks: the list; the rest is in own_subscription.h. POST /v2/hooks/run asks or tells the
// hooks of a document that lives elsewhere.
#include "core/made_id.h"
#include "runtime/api/documents.h"
#include "runtime/api/entity_write.h"
#include "runtime/api/handlers.h"
#include "runtime/event/snake_names.h"

#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

struct HookRunBody {
    HookPoint on;
    EntityChange change;
};

core::Result<std::string> document_of(core::JsonObject& in, std::string_view name,
                                      core::Presence presence) {
    const auto given = in.any(name, presence);
    if (!given || given->is_null()) return std::string();
    std::string text;
    core::append_json(text, *given);
    auto body = read_entity_body(text, name, EntityMembers::kWhole);
    if (!body) return core::fail(std::move(body.error()));
    return std::move(body->members);
}

core::Result<HookRunBody> read_run(const Call& call) {
    core::JsonDocument document;
    const auto sent = camel_case_body(call.request.body_view());
    if (!sent) return core::fail(sent.error());
    auto in = document.parse_object(*sent);
    if (!in) return core::fail(std::move(in.error()));
    HookRunBody out;
    EntityChange& change = out.change;
    change.elsewhere = true;
    std::string on;
    if (in->text("entity", change.type,
                 {.presence = core::Presence::kRequired, .bytes_max = kEntityTypeBytesMax}) &&
        !is_entity_type(change.type))
        in->refuse("entity", "is no type of entity: letters, digits, _ and -");
    if (in->text("on", on, {.presence = core::Presence::kRequired})) {
        const auto point = parse_hook_point(on);
        if (point)
            out.on = *point;
        else
            in->refuse("on",
                       "is none of beforeCreate, afterCreate, beforeUpdate, afterUpdate, "
                       "beforeDelete, afterDelete");
    }
    if (in->text("id", change.id, {.bytes_min = 1, .bytes_max = kEntityIdBytesMax}) &&
        !is_entity_id(change.id))
        in->refuse("id", "may hold letters, digits and _ - . : @ only");
    auto doc = document_of(*in, "doc", core::Presence::kRequired);
    if (!doc) return core::fail(std::move(doc.error()));
    auto before = document_of(*in, "beforeUpdateDoc", core::Presence::kOptional);
    if (!before) return core::fail(std::move(before.error()));
    const bool update = out.on.verb == EntityVerb::kUpdated;
    if (in->ok() && doc->empty()) in->refuse("doc", "is required");
    if (in->ok() && update && before->empty())
        in->refuse("beforeUpdateDoc", "is required: what the document was before");
    if (in->ok() && !update && !before->empty())
        in->refuse("beforeUpdateDoc", "belongs to beforeUpdate and afterUpdate");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    change.verb = out.on.verb;
    change.doc = std::move(*doc);
    change.before = std::move(*before);
    change.asks_before = out.on.time == HookTime::kBefore;
    return out;
}

ApiResponse asked_response(const ScriptRunResult& result) {
    const EntityChange& change = result.entity->change;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).raw_field("doc", change.doc);
    if (change.verb == EntityVerb::kUpdated) json.raw_field("payload", change.payload);
    json.key("hooks").begin_array();
    for (const EntityHook& hook : change.hooks) json.value(hook.id);
    json.end_array().field("executionId", result.execution_id);
    json.raw_field("logs", result.logs_json.empty() ? "[]" : result.logs_json).end_object();
    return json_response(200, std::move(body));
}

ApiResponse told_response(const EntityChange& change, std::string_view hooks) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("eventId", change.event_id);
    if (!hooks.empty()) json.raw_field("hooks", hooks);
    json.end_object();
    return json_response(hooks.empty() ? 202 : 200, std::move(body));
}

}  // namespace

Answer list_hooks(Call& call) {
    const std::string entity = call.text("entity");
    return list_chosen<Hook>(
        call, [&](const Hook& hook) { return entity.empty() || hook.entity == entity; });
}

void run_hooks(Call& call, const Respond& respond) {
    auto body = read_run(call);
    if (!body) return respond(error_response(body.error()));
    const auto waits = waits_for_hooks(call);
    if (!waits) return respond(error_response(waits.error()));
    EntityChange change = std::move(body->change);
    Services& services = call.services;
    if (change.id.empty()) change.id = core::make_id("x_", services.random(), 12);
    const std::string pattern = entity_pattern(change.type, change.verb);
    if (!call.request.principal.may_see(pattern)) {
        return respond(error_response(core::Error(
            core::ErrorCode::kForbidden, "this key's patterns do not include " + pattern)));
    }
    if (!read_chain(call.request.header(kHookChainHeader), change.chain)) {
        return respond(
            error_response(core::Error(core::ErrorCode::kValidation,
                                       std::string(kHookChainHeader) + ": is no chain of hooks")
                               .in(std::string(kHookChainHeader))));
    }
    if (change.asks_before) {
        auto hooks = hooks_before(services, call.tenant(), change);
        if (!hooks) return respond(error_response(hooks.error()));
        change.hooks = std::move(*hooks);
    }
    if (auto loop = looped(change)) return respond(std::move(*loop));
    services.run_change(
        std::move(change), call.request.principal,
        [respond, &services, tenant = call.tenant(), waits = *waits](ScriptRunResult&& result) {
            if (!result.status) return respond(error_response(result.status.error()));
            if (!result.error.empty()) return respond(hook_failure(result));
            const std::shared_ptr<EntityCall> made = result.entity;
            if (made->change.asks_before) return respond(asked_response(result));
            if (!waits) return respond(told_response(made->change, {}));
            report_hooks(services, tenant, made->change, [respond, made](std::string&& hooks) {
                respond(told_response(made->change, hooks));
            });
        });
}

}  // namespace millrace::runtime::api
