// GET /v2/me: who is asking. GET /v2/executors: what runs deliveries. GET /v2/config, /v2/log: how
// the server was told to be, and what it has said.
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

// Values are those of the start; what a reload has changed since is told on the log.
Answer list_settings(Call& call) {
    ListBody body;
    for (const ToldSetting& setting : call.services.settings()) {
        core::JsonWriter& json = body.json();
        json.begin_object().field("key", setting.key).field("value", setting.value);
        json.field("from", setting.from).end_object();
    }
    return body.finish("");
}

Answer list_log(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    core::LogLevel least = core::LogLevel::kDebug;
    const std::string told = call.text("level");
    if (!told.empty() && !core::parse_log_level(told, least)) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "query parameter level is \"" + told.substr(0, 64) +
                                          "\"; expected debug, info, warn or error")
                              .in("level"));
    }
    ListBody body;
    std::size_t shown = 0;
    for (const core::Log::LastLine& line : call.services.log().last_lines()) {
        if (line.level < least) continue;
        if (++shown > *limit) break;
        body.json().raw(line.json);
    }
    return body.finish("");
}

}  // namespace millrace::runtime::api
