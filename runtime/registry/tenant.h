// What: a tenant: a name in front of everything that is its own. Its documents are the platform's:
//       they live in the room of `default`.
// Threads: immutable once the registry has published it; the holder is shared by all versions.
// Lifetime: shared. Limits: kTenantsMax.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/identity/holder.h"
#include "runtime/identity/quotas.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {

using TenantNumber = core::StrongInt<struct TenantNumberTag, std::uint32_t>;

inline constexpr std::size_t kTenantsMax = 100'000;
inline constexpr std::size_t kSuspendReasonBytesMax = 1024;
// Whose documents of tenants are.
inline constexpr core::TenantId kPlatform{0};

struct Tenant {
    TenantNumber number;
    core::TenantId tenant;      // kPlatform, not itself
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    bool suspended = false;
    std::string reason;  // why
    identity::Quotas quotas;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
    std::shared_ptr<identity::TenantHolder> holder;

    // By which its events, keys, scripts, ... are marked.
    core::TenantId self() const {
        return id == "default" ? core::TenantId{0} : core::TenantId{number.value};
    }
};

}  // namespace millrace::runtime
