#include "runtime/event/tenant_names.h"

#include "runtime/event/event_defaults.h"

#include <array>
#include <atomic>
#include <memory>
#include <string>

namespace millrace::runtime {
namespace {

constexpr std::uint32_t kChunkNames = 1024;
using Chunk = std::array<std::atomic<const std::string*>, kChunkNames>;

// What stands here once is never freed: readers hold no lock.
std::array<std::atomic<Chunk*>, kTenantsNamedMax / kChunkNames>& chunks() {
    static auto* table = new std::array<std::atomic<Chunk*>, kTenantsNamedMax / kChunkNames>{};
    return *table;
}

}  // namespace

std::string_view tenant_name(core::TenantId tenant) {
    if (tenant.value == 0 || tenant.value >= kTenantsNamedMax) return kDefaultTenantName;
    // acquire, twice: pairs with the releases in name_tenant().
    const Chunk* chunk = chunks()[tenant.value / kChunkNames].load(std::memory_order_acquire);
    if (!chunk) return kDefaultTenantName;
    const std::string* name = (*chunk)[tenant.value % kChunkNames].load(std::memory_order_acquire);
    return name ? std::string_view(*name) : kDefaultTenantName;
}

core::Error foreign_tenant(std::string_view said, core::TenantId tenant) {
    return core::Error(core::ErrorCode::kForbidden,
                       "tenantId: '" + std::string(said.substr(0, 64)) +
                           "' is not the tenant of this connection ('" +
                           std::string(tenant_name(tenant)) + "')")
        .in("tenantId");
}

void name_tenant(core::TenantId tenant, std::string_view name) {
    if (tenant.value == 0 || tenant.value >= kTenantsNamedMax || tenant_name(tenant) == name)
        return;
    auto& slot = chunks()[tenant.value / kChunkNames];
    Chunk* chunk = slot.load(std::memory_order_relaxed);  // only this thread writes
    if (!chunk) {
        chunk = new Chunk{};
        slot.store(chunk, std::memory_order_release);
    }
    (*chunk)[tenant.value % kChunkNames].store(new std::string(name), std::memory_order_release);
}

}  // namespace millrace::runtime
