// What: how much of a block is whose: bytes of events' texts, as they came, by tenant. Kept in the
//       block's summary for the day when it goes (retention/stored_bytes.h).
//       On disk, in a summary of version kSummaryVersionWithHigh, behind the filter: {tenant:u32,
//       bytes:u32} for each tenant of the block.
// Threads: pure functions. Lifetime: values. Limits: as many as the block has tenants.
// Failure: none.
#pragma once

#include "store/log/event_block.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::store {

struct TenantBytes {
    std::uint32_t tenant = 0;
    std::uint32_t bytes = 0;
};
static_assert(sizeof(TenantBytes) == 8);

// In the order of the tenants' numbers. `left_out`: events that do not count, one entry an event;
// empty: all do.
std::vector<TenantBytes> tenant_bytes(const EventBlock& events,
                                      const std::vector<bool>& left_out = {});
std::vector<TenantBytes> read_tenant_bytes(std::string_view table);

}  // namespace millrace::store
