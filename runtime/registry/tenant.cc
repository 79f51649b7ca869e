#include "runtime/registry/tenant.h"

#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/identity_rows.h"
#include "runtime/registry/quota_members.h"

#include <array>

namespace millrace::runtime {
namespace {

constexpr std::array<std::pair<std::string_view, bool>, 2> kStatus = {
    {{"active", false}, {"suspended", true}}};

core::Status read(std::string_view body, Tenant& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    in->choice("status", out.suspended, kStatus);
    in->text("reason", out.reason, {.bytes_max = kSuspendReasonBytesMax});
    read_quotas(*in, all_quotas(), out.quotas);
    read_over_server_members(*in);
    if (!out.suspended) out.reason.clear();
    return in->finish();
}

std::string show(const Tenant& tenant) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", tenant.id).field("name", tenant.name);
    json.field("status", tenant.suspended ? "suspended" : "active");
    if (!tenant.reason.empty()) json.field("reason", tenant.reason);
    append_quotas(json, tenant.quotas);
    append_document_times(json, tenant.version, tenant.created_at_us, tenant.updated_at_us);
    json.end_object();
    return out;
}

core::Status settle(const Tenant* old, const ChangeContext&, Tenant& next) {
    if (!old) next.holder = std::make_shared<identity::TenantHolder>();
    return {};
}

constexpr DocumentKind<Tenant> kTenantKind = {
    .name = "tenant",
    .id_prefix = "ten_",
    .documents_max = kTenantsMax,
    .read = read,
    .show = show,
    .carry = [](const Tenant& old, Tenant& next) { next.holder = old.holder; },
    .settle = settle,
    .read_row = [](core::JsonObject&,
                   Tenant& out) { out.holder = std::make_shared<identity::TenantHolder>(); },
    .read_own_row = read_tenant_row,
    .adopt = [](const Tenant* old, const ChangeContext&, Tenant& next) -> core::Status {
        if (old) next.holder = old->holder;
        return {};
    },
};

}  // namespace

template <>
const DocumentKind<Tenant>& document_kind<Tenant>() {
    return kTenantKind;
}

}  // namespace millrace::runtime
