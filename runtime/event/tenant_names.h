// What: from a tenant's number to its name, which never changes: what events, filters and handlers
//       see as tenantId. One table for the process, as it serves one data folder.
// Threads: tenant_name() any, without a lock; name_tenant() one, the registry's owner.
// Lifetime: names live until the process ends: whoever has one may keep it.
// Limits: kTenantsNamedMax; names are small and as many as tenants were ever made.
// Failure: a number that has no name is "default".
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::uint32_t kTenantsNamedMax = 1u << 22;

std::string_view tenant_name(core::TenantId tenant);
// 403: an event says that it is somebody else's.
core::Error foreign_tenant(std::string_view said, core::TenantId tenant);
void name_tenant(core::TenantId tenant, std::string_view name);

}  // namespace millrace::runtime
