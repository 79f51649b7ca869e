#include "runtime/api/audit.h"

#include "runtime/identity/peer_text.h"
#include "runtime/registry/promised_audit.h"

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kHeaderBytesMax = 256;

void header_field(core::JsonWriter& json, const ApiRequest& request, std::string_view name,
                  std::string_view header) {
    const std::string_view value = request.header(header);
    if (!value.empty()) json.field(name, value.substr(0, kHeaderBytesMax));
}

}  // namespace

std::string audit_members(const ApiRequest& request) {
    const identity::Principal& by = request.principal;
    std::string members;
    core::JsonWriter json(members);
    json.begin_object().key("actor").begin_object();
    json.field("type", by.key ? "key" : "local").field_or_null("id", by.key_id());
    if (by.key) {
        json.field("keyPrefix", by.key->shown).field("role", identity::role_text(by.key->role));
        if (!by.key->user.empty()) json.field("user", by.key->user);
    }
    json.end_object().field("ip", identity::peer_address(by.peer));
    header_field(json, request, "userAgent", "User-Agent");
    header_field(json, request, "requestId", "X-Request-Id");
    json.field("via", "http").end_object();
    return members.substr(1, members.size() - 2);
}

std::string audit_entry(const identity::Principal& by, std::string_view action,
                        std::string_view kind, std::string_view id,
                        const std::function<void(core::JsonWriter&)>& more,
                        std::string_view members) {
    std::string entry;
    core::JsonWriter json(entry);
    json.begin_object().field("action", action).field("kind", kind).field_or_null("id", id);
    json.field("by", identity::actor_of(by));
    if (more) more(json);
    json.end_object();
    if (!members.empty()) entry.insert(entry.size() - 1, "," + std::string(members));
    return entry;
}

void audit(Services& services, const identity::Principal& by, std::string_view action,
           std::string_view kind, std::string_view id,
           const std::function<void(core::JsonWriter&)>& more, std::string_view members) {
    const std::string entry = audit_entry(by, action, kind, id, more, members);
    if (auto status = services.write_audit(services.clock().wall_us(), by.tenant, entry); !status)
        services.log().warn("audit: write failed", {{"error", status.error().message}});
}

void audit(Call& call, std::string_view action, std::string_view kind, std::string_view id,
           const std::function<void(core::JsonWriter&)>& more) {
    audit(call.services, call.request.principal, action, kind, id, more,
          audit_members(call.request));
}

AuditPromise::AuditPromise(Call& call, std::string_view action, std::string_view kind,
                           std::string_view id, const std::function<void(core::JsonWriter&)>& more)
    : AuditPromise(call.services, call.request.principal, action, kind, id, more,
                   audit_members(call.request)) {}

AuditPromise::AuditPromise(Services& services, const identity::Principal& by,
                           std::string_view action, std::string_view kind, std::string_view id,
                           const std::function<void(core::JsonWriter&)>& more,
                           std::string_view members)
    : services_(&services),
      tenant_(by.tenant),
      at_us_(services.clock().wall_us()),
      entry_(audit_entry(by, action, kind, id, more, members)),
      row_(promised_audit_row(at_us_, tenant_)) {}

void AuditPromise::put(store::RowBatch& rows) const {
    rows.put_registry(kPromisedAuditKind, row_, 1, at_us_, entry_);
}

void AuditPromise::keep() const {
    auto kept = services_->write_promised_audit(at_us_, tenant_, entry_, row_);
    if (!kept) services_->log().warn("audit: write failed", {{"error", kept.error().message}});
}

void append_request(core::JsonWriter& json, std::string_view body) {
    constexpr std::size_t kRequestBytesMax = 64u << 10;  // of thousands of ids, say
    if (!body.empty() && body.size() <= kRequestBytesMax) json.raw_field("request", body);
}

}  // namespace millrace::runtime::api
