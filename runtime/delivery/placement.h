// What: where an event belongs: the shard that is its home, and the lane that runs its deliveries.
// Threads: pure functions. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "core/ids.h"
#include "store/ids/hasher.h"

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

// The home of a key, and the lane of an event of that key.
inline core::ShardId home_of(std::uint64_t key_hash, std::size_t shards) {
    return store::shard_of(key_hash, shards);
}
inline std::uint32_t lane_of(std::uint32_t key_hash, std::size_t lanes) {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(key_hash) * lanes) >> 32);
}

}  // namespace millrace::runtime
