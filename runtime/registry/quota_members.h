// What: `quotas` in documents of tenants and keys.
// Threads: pure. Lifetime: none. Limits: kQuotaMax. Failure: kValidation that names the member.
#pragma once

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/identity/quotas.h"

#include <span>

namespace millrace::runtime {

inline constexpr std::int64_t kQuotaMax = 1'000'000'000'000;

// Those that may be said of a key; a tenant has all.
inline constexpr identity::Quota kKeyQuotas[] = {identity::Quota::kEvents, identity::Quota::kBytes,
                                                 identity::Quota::kConnections,
                                                 identity::Quota::kStreams};
std::span<const identity::Quota> all_quotas();

void read_quotas(core::JsonObject& in, std::span<const identity::Quota> known,
                 identity::Quotas& quotas);
void append_quotas(core::JsonWriter& json, const identity::Quotas& quotas);

}  // namespace millrace::runtime
