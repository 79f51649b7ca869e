// /v2/keys: made, shown once, changed, rotated, revoked. Keys live in their tenant's room; whoever
// may make tenants reaches those of all.
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/key_grants.h"
#include "runtime/api/overlap.h"
#include "runtime/event/snake_names.h"

#include <algorithm>
#include <array>

namespace millrace::runtime::api {
namespace {

constexpr std::array<std::string_view, 6> kMadeMembers = {"key",   "hash",       "prefix",
                                                          "last4", "lastUsedAt", "lastUsedIp"};

bool reaches_all(const Call& call) {
    return call.request.principal.scopes.has(identity::Scope::kTenantsWrite);
}

// Of whoever asks.
ApiKeyRef maker_of(const Call& call) {
    const identity::Principal& by = call.request.principal;
    return by.key ? call.services.registry().table<ApiKey>().find(by.tenant, by.key->id) : nullptr;
}

core::Result<core::TenantId> named_tenant(const Call& call, std::string_view name) {
    if (name.empty() || name == tenant_name(call.tenant())) return call.tenant();
    if (!reaches_all(call)) return core::fail(foreign_tenant(name, call.tenant()));
    if (name == tenant_name(core::TenantId{})) return core::TenantId{};
    const TenantRef tenant = call.services.registry().table<Tenant>().find(kPlatform, name);
    if (tenant) return tenant->self();
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "tenantId is \"" + std::string(name.substr(0, 128)) +
                                      "\"; no tenant has that id")
                          .in("tenantId"));
}

// A body without `tenantId`, and whose the key is to be.
struct Wanted {
    core::TenantId tenant;
    std::string body;
};
core::Result<Wanted> read_wanted(const Call& call, std::string_view body) {
    const auto sent = camel_case_body(body);
    if (!sent) return core::fail(sent.error());
    core::JsonDocument document;
    auto in = document.parse_object(*sent);
    if (!in) return core::fail(std::move(in.error()));
    for (const std::string_view name : kMadeMembers) {
        if (in->any(name)) in->refuse(name, "is made by the server; leave it out");
    }
    std::string name;
    in->text("tenantId", name, {.bytes_min = 1, .bytes_max = kResourceIdBytesMax});
    if (!in->ok()) return core::fail(in->finish().error());
    const auto tenant = named_tenant(call, name);
    if (!tenant) return core::fail(tenant.error());
    auto rest = core::json_merge_patch(*sent, R"({"tenantId":null})");
    if (!rest) return core::fail(std::move(rest.error()));
    return Wanted{*tenant, std::move(*rest)};
}

ApiKeyRef find_key(const Call& call, std::string_view id) {
    const auto& table = call.services.registry().table<ApiKey>();
    ApiKeyRef found = table.find(call.tenant(), id);
    if (found || !reaches_all(call)) return found;
    call.services.registry().snapshot()->keys.for_each([&](const ApiKeyRef& key) {
        if (!found && key->id == id) found = key;
    });
    return found;
}

ChangeContext context_in(const Call& call, core::TenantId tenant) {
    return {.tenant = tenant, .if_match = call.request.header("If-Match")};
}

void note(Call& call, identity::SecurityKind kind, core::TenantId tenant, std::string_view id) {
    std::string payload;
    core::JsonWriter json(payload);
    json.begin_object().field("keyId", id);
    json.field_or_null("by", call.request.principal.key_id()).end_object();
    call.services.note_security(kind, tenant,
                                std::string_view(payload).substr(1, payload.size() - 2));
}

// The one time that its text is seen.
Answer with_text(Answer&& answer, std::string_view text) {
    if (answer) answer->body.insert(1, "\"key\":\"" + std::string(text) + "\",");
    if (answer) answer->headers.emplace_back("Cache-Control", "no-store");
    return std::move(answer);
}

// What a role brings replaces scopes that were the old role's.
core::Result<std::string> patch_of(std::string_view sent) {
    auto renamed = camel_case_body(sent);
    if (!renamed) return renamed;
    std::string& patch = *renamed;
    core::JsonDocument document;
    auto in = document.parse_object(patch);
    if (!in) return core::fail(std::move(in.error()));
    if (in->any("role") && !in->any("scopes")) {
        auto with = core::json_merge_patch(patch, "{}");
        if (!with) return with;
        with->insert(1, with->size() > 2 ? R"("scopes":null,)" : R"("scopes":null)");
        return with;
    }
    return patch;
}

// The first key of all, an admin, is made by somebody who has every right here: it may make
// tenants too.
bool is_first_admin(const Call& call, const ApiKey& key) {
    return !call.request.principal.key && key.tenant == kPlatform && !key.own_scopes &&
           key.role == identity::Role::kAdmin &&
           !call.services.registry().table<ApiKey>().ever_made();
}

// A first key that is over already, or that can make no other, would only lock everybody out.
core::Status check_new(const Call& call, const ApiKey& key) {
    if (call.request.principal.key || call.services.registry().table<ApiKey>().ever_made())
        return {};
    if (key.expires_at_us != 0 && key.expires_at_us <= call.services.clock().wall_us()) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "expiresAt: lies in the past, and this is the first key")
                              .in("expiresAt"));
    }
    if (key.scopes.has(identity::Scope::kKeysWrite)) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "role: the first key ends the time without keys and must be "
                                  "able to make others: expected \"admin\"")
                          .in("role"));
}

}  // namespace

Answer make_key(Call& call, std::string_view body, std::string& text) {
    const auto wanted = read_wanted(call, body);
    if (!wanted) return core::fail(wanted.error());
    const ApiKeyRef maker = maker_of(call);
    text = new_key_text();
    auto made = call.services.registry().table<ApiKey>().create(
        context_in(call, wanted->tenant), wanted->body, [&](ApiKey& key) {
            if (is_first_admin(call, key)) {
                key.scopes = identity::ScopeSet::all();
                key.own_scopes = true;
            }
            take_key_text(key, text);
            if (auto good = check_new(call, key); !good) return good;
            if (auto named = may_name(call.request.principal, *call.services.registry().snapshot(),
                                      nullptr, key);
                !named)
                return named;
            return may_grant(call.request.principal, maker.get(), key);
        });
    if (made) note(call, identity::SecurityKind::kKeyCreated, wanted->tenant, made->after->id);
    return changed<ApiKey>(call, std::move(made), 201);
}

Answer create_key(Call& call) {
    std::string text;
    auto answer = make_key(call, call.request.body_view(), text);
    return with_text(std::move(answer), text);
}

Answer list_keys(Call& call) {
    const auto tenant = named_tenant(call, call.text("tenantId"));
    if (!tenant) return core::fail(tenant.error());
    return list_documents_of<ApiKey>(call, *tenant);
}

Answer get_key(Call& call) {
    const std::string_view id = call.request.param("id");
    const ApiKeyRef key = find_key(call, id);
    if (!key) return not_found("key", id);
    return document_response(200, *key);
}

Answer patch_key(Call& call) {
    const std::string_view id = call.request.param("id");
    const ApiKeyRef key = find_key(call, id);
    if (!key) return not_found("key", id);
    const ApiKeyRef maker = maker_of(call);
    if (auto may = may_grant(call.request.principal, maker.get(), *key); !may)
        return core::fail(may.error());
    const auto patch = patch_of(call.request.body_view());
    if (!patch) return core::fail(patch.error());
    return changed<ApiKey>(call,
                           call.services.registry().table<ApiKey>().patch(
                               context_in(call, key->tenant), id, *patch,
                               [&](const ApiKey& next) {
                                   auto named = may_name(call.request.principal,
                                                         *call.services.registry().snapshot(),
                                                         key.get(), next);
                                   if (!named) return named;
                                   return may_grant(call.request.principal, maker.get(), next);
                               }),
                           200);
}

Answer delete_key(Call& call) {
    const std::string_view id = call.request.param("id");
    const ApiKeyRef key = find_key(call, id);
    if (!key) return not_found("key", id);
    if (auto may = may_grant(call.request.principal, nullptr, *key); !may)
        return core::fail(may.error());
    auto gone = call.services.registry().table<ApiKey>().remove(context_in(call, key->tenant), id);
    if (gone) note(call, identity::SecurityKind::kKeyRevoked, key->tenant, id);
    return changed<ApiKey>(call, std::move(gone), 200);
}

Answer rotate_key(Call& call) {
    const std::string_view id = call.request.param("id");
    const ApiKeyRef key = find_key(call, id);
    if (!key) return not_found("key", id);
    if (auto may = may_grant(call.request.principal, maker_of(call).get(), *key); !may)
        return core::fail(may.error());
    const auto overlap_us = overlap_of(call);
    if (!overlap_us) return core::fail(overlap_us.error());
    const std::int64_t now_us = call.services.clock().wall_us();
    const std::string text = new_key_text();
    auto made = call.services.registry().table<ApiKey>().amend(
        context_in(call, key->tenant), id, "rotate", [&](ApiKey& next) {
            retire_text(next.retired, next.hash, now_us, *overlap_us);
            take_key_text(next, text);
            return core::Status{};
        });
    if (made) note(call, identity::SecurityKind::kKeyRotated, key->tenant, id);
    return with_text(changed<ApiKey>(call, std::move(made), 200), text);
}

}  // namespace millrace::runtime::api
