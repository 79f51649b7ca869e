#include "runtime/registry/promised_audit.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace millrace::runtime {
namespace {

constexpr std::size_t kTimeDigits = 16, kTenantDigits = 8;

}  // namespace

std::string promised_audit_row(std::int64_t at_us, core::TenantId tenant) {
    static std::atomic<std::uint32_t> last{0};
    char text[64];
    std::snprintf(text, sizeof text, "%016llx/%08x/%08x", static_cast<unsigned long long>(at_us),
                  tenant.value, last.fetch_add(1, std::memory_order_relaxed));  // a number only
    return text;
}

core::Status keep_promised_audit(RegistryRows& rows, std::int64_t at_us, core::TenantId tenant,
                                 std::string_view entry, const std::string& row_id) {
    const RegistryRowName promise{std::string(kPromisedAuditKind), row_id};
    return rows.commit({}, {&promise, 1}, at_us, tenant, entry);
}

core::Status keep_promised_audits(RegistryRows& rows) {
    auto left = rows.load_all(kPromisedAuditKind);
    if (!left) return core::fail(std::move(left.error()));
    for (const RegistryRow& row : *left) {
        if (row.id.size() < kTimeDigits + 1 + kTenantDigits) continue;
        const auto at_us = static_cast<std::int64_t>(
            std::strtoull(row.id.substr(0, kTimeDigits).c_str(), nullptr, 16));
        const core::TenantId tenant(static_cast<std::uint32_t>(
            std::strtoul(row.id.substr(kTimeDigits + 1, kTenantDigits).c_str(), nullptr, 16)));
        if (auto kept = keep_promised_audit(rows, at_us, tenant, row.json, row.id); !kept)
            return kept;
    }
    return {};
}

}  // namespace millrace::runtime
