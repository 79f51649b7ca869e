// What: the tenants of a run. They do the same things with the same names: ids of events, scripts,
//       subscriptions and keys are equal, so that whatever forgets whose something is mixes them.
// Threads: constants. Lifetime: none. Limits: kTenants. Failure: none.
#pragma once

#include "core/ids.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::sim {

inline constexpr std::size_t kTenants = 2;

template <class T>
using PerTenant = std::array<T, kTenants>;

constexpr core::TenantId tenant_id(std::size_t tenant) {
    return core::TenantId{static_cast<std::uint32_t>(tenant)};
}

// Clients say which one they are: by this header, or as the key of a socket's hello.
inline constexpr std::string_view kTenantHeader = "X-Sim-Tenant";
inline std::string tenant_word(std::size_t tenant) { return "t" + std::to_string(tenant); }
constexpr core::TenantId tenant_of_word(std::string_view word) {
    return word.size() == 2 && word[0] == 't' ? tenant_id(static_cast<std::size_t>(word[1] - '0'))
                                              : core::TenantId{};
}

}  // namespace millrace::sim
