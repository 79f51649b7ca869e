// GET /v2/me: who is asking. GET /v2/executors: what runs deliveries.
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/registry/quota_members.h"

namespace millrace::runtime::api {

// With no key ever created there is one caller: this machine, as an admin of tenant `default`.
Answer me(Call& call) {
    const identity::Principal& principal = call.request.principal;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("tenantId", tenant_name(principal.tenant));
    json.field("mode", principal.key ? "key" : "local");
    json.field_or_null("keyId", principal.key_id());
    json.field_or_null("user", principal.user())
        .field("role",
               identity::role_text(principal.key ? principal.key->role : identity::Role::kAdmin));
    json.key("scopes").begin_array();
    for (const std::string_view scope : identity::scope_names(principal.scopes)) json.value(scope);
    json.end_array();
    append_quotas(json, call.services.registry().quotas_of(principal.tenant));
    json.field("actor", identity::actor_of(principal)).end_object();
    return json_response(200, std::move(body));
}

Answer list_executors(Call& call) {
    ListBody body;
    for (const ExecutorFigures& executor : call.services.executors()) {
        core::JsonWriter& json = body.json();
        json.begin_object().field("type", executor.type).field("enabled", executor.enabled);
        json.field("running", executor.running).field("limit", executor.limit);
        json.field("waiting", executor.waiting);
        json.field("breaker", executor.breakers_open == 0 ? "closed" : "open");
        json.field("breakersOpen", executor.breakers_open).end_object();
    }
    return body.finish("");
}

}  // namespace millrace::runtime::api
