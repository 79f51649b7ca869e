// /v2/tenants: for those who may make them. A tenant's own people see what it uses.
#include "runtime/api/audit.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/tenant_quota.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/quota_members.h"
#include "store/retention/stored_bytes.h"

#include <string>
#include <type_traits>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kDefault = "default";

ChangeContext platform_context(const Call& call) {
    return {.tenant = kPlatform, .if_match = call.request.header("If-Match")};
}

DocumentTable<Tenant>& tenants(Call& call) { return call.services.registry().table<Tenant>(); }

// `default` is there from the beginning; it gets a document when there is something to say.
core::Status ensure_default(Call& call) {
    if (tenants(call).find(kPlatform, kDefault)) return {};
    Registry& registry = call.services.registry();
    registry.act_as("millrace");  // whoever asks has not made it
    auto made = tenants(call).create({.tenant = kPlatform}, R"({"id":"default"})");
    registry.act_as(identity::actor_of(call.request.principal), audit_members(call.request));
    if (!made) return core::fail(std::move(made.error()));
    return call.services.registry_changed(*made);
}

// What holds a tenant in place: all but its keys, which go with it.
std::string things_of(const Registry& registry, core::TenantId tenant) {
    std::string things;
    const auto add = [&](std::size_t count, std::string_view what) {
        if (count == 0) return;
        things +=
            (things.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(what) + "(s)";
    };
#define X(Type, table_name)                                                       \
    if constexpr (!std::is_same_v<Type, ApiKey> && !std::is_same_v<Type, Tenant>) \
        add(registry.table<Type>().size(tenant), document_kind<Type>().name);
    MILLRACE_DOCUMENT_KINDS(X)
#undef X
    return things;
}

core::Status remove_keys(Call& call, core::TenantId tenant) {
    auto& keys = call.services.registry().table<ApiKey>();
    std::vector<std::string> ids;
    keys.list(tenant, "", [&ids](const ApiKeyRef& key) {
        ids.push_back(key->id);
        return true;
    });
    for (const std::string& id : ids) {
        auto gone = keys.remove({.tenant = tenant}, id);
        if (!gone) return core::fail(std::move(gone.error()));
        if (auto told = call.services.registry_changed(*gone); !told) return told;
    }
    return {};
}

}  // namespace

Answer create_tenant(Call& call) {
    if (auto there = ensure_default(call); !there) return core::fail(there.error());
    return changed<Tenant>(
        call, tenants(call).create(platform_context(call), call.request.body_view()), 201);
}

Answer list_tenants(Call& call) {
    if (auto there = ensure_default(call); !there) return core::fail(there.error());
    return list_documents_of<Tenant>(call, kPlatform);
}

Answer get_tenant(Call& call) {
    const std::string_view id = call.request.param("id");
    if (id == kDefault) {
        if (auto there = ensure_default(call); !there) return core::fail(there.error());
    }
    const TenantRef tenant = tenants(call).find(kPlatform, id);
    if (!tenant) return not_found("tenant", id);
    return document_response(200, *tenant);
}

Answer patch_tenant(Call& call) {
    const std::string_view id = call.request.param("id");
    if (id == kDefault) {
        if (auto there = ensure_default(call); !there) return core::fail(there.error());
    }
    return changed<Tenant>(
        call,
        tenants(call).patch(platform_context(call), id, call.request.body_view(),
                            [](const Tenant& next) -> core::Status {
                                if (!next.suspended || next.id != kDefault) return {};
                                return core::fail(core::ErrorCode::kConflict,
                                                  "tenant \"default\" can not be suspended: nobody "
                                                  "could take that back");
                            }),
        200);
}

Answer delete_tenant(Call& call) {
    const std::string_view id = call.request.param("id");
    if (id == kDefault)
        return core::fail(core::ErrorCode::kConflict, "tenant \"default\" can not be removed");
    const TenantRef tenant = tenants(call).find(kPlatform, id);
    if (!tenant) return not_found("tenant", id);
    const std::string things = things_of(call.services.registry(), tenant->self());
    if (!things.empty()) {
        return core::fail(core::ErrorCode::kConflict,
                          "tenant \"" + tenant->id + "\" has " + things + "; remove them first");
    }
    if (auto agreed = check_precondition(call.request.header("If-Match"), document_etag(*tenant));
        !agreed)
        return core::fail(agreed.error());
    if (auto gone = remove_keys(call, tenant->self()); !gone) return core::fail(gone.error());
    return changed<Tenant>(call, tenants(call).remove(platform_context(call), id), 200);
}

Answer tenant_usage(Call& call) {
    const std::string_view id = call.request.param("id");
    const bool all = call.request.principal.scopes.has(identity::Scope::kTenantsRead);
    core::TenantId tenant = call.tenant();
    if (id != tenant_name(tenant)) {
        const TenantRef other = all ? tenants(call).find(kPlatform, id) : nullptr;
        if (!other && !(all && id == kDefault)) return not_found("tenant", id);
        tenant = other ? other->self() : kPlatform;
    }
    const Registry& registry = call.services.registry();
    const TenantRef document = registry.document_of(tenant);
    const auto replays = replays_under_way(call.services, tenant);
    if (!replays) return core::fail(replays.error());
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("tenantId", tenant_name(tenant));
    json.field("status", document && document->suspended ? "suspended" : "active");
    json.key("usage").begin_object();
    // Where no quota bounds them nobody counts them.
    if (const auto entities = call.services.entity_counts().held(tenant))
        json.field("entities", *entities);
    json.field("keys", registry.table<ApiKey>().size(tenant));
    json.field("replays", *replays);
    json.field("runningExecutions", call.services.runs_of(tenant));
    json.field("links", registry.table<Link>().size(tenant));
    json.field("schedules", registry.table<Schedule>().size(tenant));
    json.field("scripts", registry.table<Script>().size(tenant));
    json.field("secrets", registry.table<Secret>().size(tenant));
    json.field("storedBytes", call.services.database().stored_bytes().held(tenant));
    json.field("streams", call.services.streams_of(tenant));
    json.field("subscriptions", registry.table<Subscription>().size(tenant));
    json.field("workflows", registry.table<Workflow>().size(tenant)).end_object();
    append_quotas(json, registry.quotas_of(tenant));
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace millrace::runtime::api
