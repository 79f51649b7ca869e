// Hooks as documents: their body, their row.
#include "core/json_reader.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/hook.h"

#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

Presence needed(const std::string& there) {
    return there.empty() ? Presence::kRequired : Presence::kOptional;
}

core::Status read(std::string_view body, Hook& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    const bool fresh = out.entity.empty();
    if (in->text("entity", out.entity,
                 {.presence = needed(out.entity), .bytes_max = kEntityTypeBytesMax}) &&
        !is_entity_type(out.entity))
        in->refuse("entity", "is no type of entity: letters, digits, _ and -");
    std::string on;
    if (in->text("on", on, {.presence = fresh ? Presence::kRequired : Presence::kOptional})) {
        if (const auto point = parse_hook_point(on))
            out.on = *point;
        else
            in->refuse("on",
                       "is none of beforeCreate, afterCreate, beforeUpdate, afterUpdate, "
                       "beforeDelete, afterDelete");
    }
    in->text("scriptId", out.script_id,
             {.presence = needed(out.script_id), .bytes_min = 1, .bytes_max = kResourceIdBytesMax});
    in->integer("order", out.order, -kHookOrderMax, kHookOrderMax);
    in->boolean("active", out.active);
    read_over_server_members(*in);
    return in->finish();
}

std::string show(const Hook& hook) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", hook.id).field("name", hook.name);
    json.field("entity", hook.entity).field("on", hook_point_text(hook.on));
    json.field("scriptId", hook.script_id).field("order", hook.order).field("active", hook.active);
    append_document_times(json, hook.version, hook.created_at_us, hook.updated_at_us);
    json.end_object();
    return out;
}

// What has its deliveries waiting for it does not become another one.
core::Status settle(const Hook* old, const ChangeContext&, Hook& next) {
    if (!old || (old->on == next.on && old->entity == next.entity)) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "on, entity: what a hook belongs to stays; make another one")
                          .in(old->on == next.on ? "entity" : "on"));
}

void references(const Hook& hook, const VisitReference& visit) {
    visit({"script", hook.script_id, "scriptId", hook.script.value});
}

constexpr DocumentKind<Hook> kHookKind = {
    .name = "hook",
    .id_prefix = "hk_",
    .documents_max = kHooksMax,
    .read = read,
    .show = show,
    .settle = settle,
    .references = references,
    .link = [](const DocumentReference& found,
               Hook& next) { next.script = ScriptNumber(found.number); },
};

}  // namespace

std::string hook_subscription_id(std::string_view hook_id) {
    return std::string(kHookSubscriptionPrefix) + std::string(hook_id);
}

std::string hook_subscription_body(const Hook& hook) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("id", hook_subscription_id(hook.id));
    json.field("name", "hook " + hook.name.substr(0, kResourceNameBytesMax - 16));
    json.key("pattern").begin_object().field("type", "exact");
    json.field("value", entity_pattern(hook.entity, hook.on.verb)).end_object();
    json.key("executor").begin_object().field("type", "script").field("scriptId", hook.script_id);
    json.end_object();
    json.field("priority", -hook.order);
    json.field("active", hook.active).end_object();
    return body;
}

template <>
const DocumentKind<Hook>& document_kind<Hook>() {
    return kHookKind;
}

}  // namespace millrace::runtime
