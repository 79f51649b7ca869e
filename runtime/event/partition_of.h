// What: which partition of a cluster something is of: a tenant, and, where partition_by is "key",
//       one of its events. Every node, every partition and every front comes to the same, so that
//       it never changes: it is on people's disks.
// Threads: pure. Lifetime: none. Limits: `partitions` is at least 1. Failure: none.
#pragma once

#include "core/key_hash.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::runtime {

// Where a tenant is at home. `seed` is the cluster's (META), by which nobody outside can choose.
inline std::size_t partition_of_tenant(std::string_view tenant, std::uint64_t seed,
                                       std::size_t partitions) {
    return core::mix_u64(core::hash_key(tenant) ^ seed, core::kHashSeedA) % partitions;
}

// Where an event of this key is: its partitionKey, else its eventId.
inline std::size_t partition_of_key(std::string_view tenant, std::string_view key,
                                    std::uint64_t seed, std::size_t partitions) {
    const std::uint64_t whose = core::mix_u64(core::hash_key(tenant) ^ seed, core::kHashSeedB);
    return core::mix_u64(core::hash_key(key) ^ whose, core::kHashSeedA) % partitions;
}

// Where an event is that came to be in partition `here`, if not there; what has no key stays.
inline std::optional<std::size_t> partition_beside(std::size_t here, std::string_view tenant,
                                                   std::string_view key, std::uint64_t seed,
                                                   std::size_t partitions) {
    if (key.empty()) return std::nullopt;
    const std::size_t to = partition_of_key(tenant, key, seed, partitions);
    return to == here ? std::nullopt : std::optional(to);
}

}  // namespace millrace::runtime
