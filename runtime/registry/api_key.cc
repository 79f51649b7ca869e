#include "runtime/registry/api_key.h"

#include "core/crypto/random_bits.h"
#include "core/timestamp.h"
#include "io/tls/certificate_names.h"
#include "matcher/filter/cidr.h"
#include "matcher/filter/wildcard.h"
#include "runtime/event/tenant_names.h"
#include "runtime/identity/key_text.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/identity_rows.h"
#include "runtime/registry/quota_members.h"

#include <array>

namespace millrace::runtime {
namespace {

using identity::ScopeSet;

// Made by the server, shown, and read over in what comes back.
constexpr std::array<std::string_view, 4> kShownMembers = {"prefix", "last4", "lastUsedAt",
                                                           "lastUsedIp"};

ScopeSet within(core::TenantId tenant, ScopeSet scopes) {
    return tenant.value == 0 ? scopes : scopes.remove(identity::server_scopes());
}

// null is as good as nothing: that is how these members are shown.
bool given(core::JsonObject& in, std::string_view name) {
    const auto element = in.any(name);
    return element && !element->is_null();
}

void read_scopes(core::JsonObject& in, ApiKey& out) {
    std::vector<std::string> names;
    ScopeSet scopes;
    if (given(in, "scopes") && in.text_list("scopes", names, kKeyListMax)) {
        if (names.empty()) {
            return in.refuse("scopes",
                             "is empty: a key that may do nothing is none. Leave it out for what "
                             "its role brings, or name some");
        }
        for (const std::string& name : names) {
            const auto some = identity::parse_scopes(name);
            if (!some) {
                return in.refuse("scopes", "has \"" + name.substr(0, 64) +
                                               "\", which is no scope; /openapi.json names them "
                                               "(x-scope)");
            }
            scopes.add(*some);
        }
    }
    const ScopeSet of_role = role_scopes_in(out.tenant, out.role);
    scopes = within(out.tenant, scopes);
    // What nobody needs stands in no list.
    ScopeSet named = scopes, whole = of_role;
    named.add(identity::Scope::kPublic);
    whole.add(identity::Scope::kPublic);
    out.own_scopes = !names.empty() && !(named == whole);
    out.scopes = out.own_scopes ? scopes : of_role;
}

void read_patterns(core::JsonObject& in, ApiKey& out) {
    if (!given(in, "patterns") || !in.text_list("patterns", out.patterns, kKeyListMax)) return;
    for (const std::string& pattern : out.patterns) {
        if (auto parsed = matcher::parse_wildcard(pattern); !parsed)
            return in.refuse("patterns",
                             "has \"" + pattern.substr(0, 64) + "\": " + parsed.error().message);
    }
}

void read_addresses(core::JsonObject& in, ApiKey& out) {
    if (!given(in, "ips") || !in.text_list("ips", out.ips, kKeyListMax)) return;
    for (const std::string& block : out.ips) {
        matcher::CidrBlock parsed;
        if (!matcher::parse_cidr(block, parsed))
            return in.refuse("ips", "has \"" + block.substr(0, 64) +
                                        "\"; expected addresses or blocks: 10.0.0.0/8, "
                                        "2001:db8::1");
    }
}

void read_client_cert_sans(core::JsonObject& in, ApiKey& out) {
    if (!given(in, "clientCertSans") ||
        !in.text_list("clientCertSans", out.client_cert_sans, kKeyListMax))
        return;
    for (std::string& name : out.client_cert_sans) {
        auto known = io::certificate_name(name);
        if (!known) {
            return in.refuse("clientCertSans", "has \"" + name.substr(0, 64) +
                                                   "\"; expected names as certificates have them: "
                                                   "DNS:a.example, URI:spiffe://a/b, "
                                                   "email:a@b.example, IP:10.0.0.1");
        }
        name = std::move(*known);
    }
}

core::Status read(std::string_view body, ApiKey& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    in->text("user", out.user, {.bytes_max = kKeyUserBytesMax});
    in->choice("role", out.role, identity::kRoles);
    read_scopes(*in, out);
    read_patterns(*in, out);
    read_addresses(*in, out);
    read_client_cert_sans(*in, out);
    if (given(*in, "expiresAt")) in->timestamp("expiresAt", out.expires_at_us);
    read_quotas(*in, kKeyQuotas, out.quotas);
    for (const std::string_view name : kShownMembers) (void)in->any(name);
    read_over_server_members(*in);
    return in->finish();
}

void append_texts(core::JsonWriter& json, std::string_view name, const auto& texts) {
    json.key(name).begin_array();
    for (const std::string_view text : texts) json.value(text);
    json.end_array();
}

std::string show(const ApiKey& key) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", key.id).field("name", key.name);
    json.field("prefix", key.shown).field("last4", key.last4);
    json.field("tenantId", tenant_name(key.tenant)).field("role", identity::role_text(key.role));
    append_texts(json, "scopes", identity::scope_names(key.scopes));
    append_texts(json, "patterns", key.patterns);
    append_texts(json, "ips", key.ips);
    append_texts(json, "clientCertSans", key.client_cert_sans);
    if (!key.user.empty()) json.field("user", key.user);
    append_quotas(json, key.quotas);
    const auto time_or_null = [&json](std::string_view name, std::int64_t us) {
        json.field_or_null(name, us == 0 ? std::string() : core::format_timestamp(us));
    };
    time_or_null("expiresAt", key.expires_at_us);
    time_or_null("lastUsedAt", key.holder ? key.holder->used_us() : 0);
    json.field_or_null("lastUsedIp", key.holder ? key.holder->used_from() : std::string());
    append_document_times(json, key.version, key.created_at_us, key.updated_at_us);
    json.end_object();
    return out;
}

void carry(const ApiKey& old, ApiKey& next) {
    next.shown = old.shown;
    next.last4 = old.last4;
    next.hash = old.hash;
    next.retired = old.retired;
    next.holder = old.holder;
}

core::Status settle(const ApiKey* old, const ChangeContext&, ApiKey& next) {
    if (!old) next.holder = std::make_shared<identity::KeyHolder>();
    return {};
}

void write_row(core::JsonWriter& json, const ApiKey& key) {
    json.field("ownScopes", key.own_scopes).field("prefix", key.shown).field("last4", key.last4);
    json.field("hash", digest_hex(key.hash));
    write_retired(json, key.retired);
}

void read_row(core::JsonObject& row, ApiKey& out) {
    row.boolean("ownScopes", out.own_scopes);
    row.text("prefix", out.shown);
    row.text("last4", out.last4);
    read_digest(row, "hash", out.hash);
    read_retired(row, out.retired);
    out.holder = std::make_shared<identity::KeyHolder>();
}

constexpr DocumentKind<ApiKey> kApiKeyKind = {
    .name = "key",
    .id_prefix = "key_",
    .documents_max = kKeysMax,
    .read = read,
    .show = show,
    .carry = carry,
    .settle = settle,
    .write_row = write_row,
    .read_row = read_row,
    .read_own_row = read_key_row,
};

}  // namespace

ScopeSet role_scopes_in(core::TenantId tenant, identity::Role role) {
    return within(tenant, identity::scopes_of(role));
}

std::string new_key_text() {
    identity::KeyBits bits{};
    core::crypto::fill_random(bits);
    return identity::make_key_text(bits);
}

void take_key_text(ApiKey& key, std::string_view text) {
    key.shown = text.substr(0, identity::kKeyShownBytes);
    key.last4 = text.substr(text.size() - identity::kKeyLastBytes);
    key.hash = core::crypto::sha256(text);
}

template <>
const DocumentKind<ApiKey>& document_kind<ApiKey>() {
    return kApiKeyKind;
}

}  // namespace millrace::runtime
