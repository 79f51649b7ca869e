// What: how the memory that the process may take is shared out to its parts, so that their bounds
//       together stay below it: a share for each, by weight, at least what it can't work without
//       and at most what it takes where nothing bounds it. What no share covers (the program, its
//       threads, the registry, the matcher's index) is kept out of the division; memory_watch.h
//       looks at what they all come to.
// Threads: pure functions. Lifetime: values.
// Limits: kMemoryMin. Failure: a limit that is too small for so many shards is an error that says
//       what helps.
#pragma once

#include "core/config.h"
#include "core/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::uint64_t kMemoryMin = 48ULL << 20;

enum class MemoryShare : std::uint8_t {
    kWriteBuffers,  // of RocksDB, of all families: what is not in files yet
    kIdentities,    // the newest of each shard, in tables
    kBodies,        // requests that are coming in, and those not yet answered
    kQueues,        // blocks that wait in memory for the lanes
    kScripts,       // Lua states of all lanes
    kAnswers,       // what clients have yet to read
    kClients,       // what clients keep waiting: half heads and lines, streams that nobody reads
    kOutside,       // what calls to the outside were answered with
    kCaches,        // blocks of files that RocksDB keeps, rows of kv
    kSpareBuffers,  // free buffers that are kept for the next use
};
inline constexpr std::size_t kMemoryShares = 10;
std::string_view memory_share_text(MemoryShare share);

struct MemoryPlan {
    std::uint64_t limit = 0;  // 0: none; then nothing below holds
    std::uint64_t program = 0;
    std::array<std::uint64_t, kMemoryShares> shares{};  // of all shards together

    std::uint64_t of(MemoryShare share) const { return shares[static_cast<std::size_t>(share)]; }
    std::uint64_t unshared() const;  // for what grows without a share
};

struct MemoryHolders {
    std::size_t shards = 1;
    std::size_t lanes = 1;  // of calls too
};

// `limit` 0: a plan without a limit.
core::Result<MemoryPlan> plan_memory(std::uint64_t limit, const MemoryHolders& holders);

// What the parts are told: their shares in their own words. The configuration may ask for less.
struct MemoryBounds {
    std::size_t write_buffers_bytes = 0;
    std::size_t log_write_buffer_bytes = 0;
    std::size_t log_write_buffers = 0;
    std::size_t small_write_buffer_bytes = 0;
    std::size_t id_table_entries = 0;      // a shard
    std::size_t id_filter_bytes = 0;       // a shard; of older identities
    std::size_t in_flight_bytes = 0;       // bodies, a shard
    std::size_t receiving_bytes = 0;       // of bodies that are coming in, a shard
    std::size_t queue_bytes = 0;           // a shard
    std::size_t lane_bytes = 0;            // of open jobs, a lane
    std::size_t answers_bytes = 0;         // a shard
    std::size_t client_bytes = 0;          // in a shard's room for clients
    std::size_t buffered_bytes = 0;        // of all that a shard's buffers hold, of whatever kind
    std::size_t stream_blocks_bytes = 0;   // of the log, for event streams
    std::size_t stream_writing_bytes = 0;  // of theirs, on the way to the shards
    std::size_t message_bytes = 0;         // of GraphQL's, on the way from them
    std::size_t unsent_bytes = 0;          // of GraphQL's, that its clients have not taken
    std::size_t outside_bytes = 0;
    std::size_t block_cache_bytes = 0;
    std::size_t kv_cache_bytes = 0;
    std::size_t store_spare_bytes = 0;
    std::size_t socket_spare_bytes = 0;     // a shard
    std::size_t receive_buffers_bytes = 0;  // of sockets, a shard
    std::size_t scripts_bytes = 0;
};
// Of a plan with a limit.
MemoryBounds memory_bounds(const MemoryPlan& plan, const MemoryHolders& holders);

}  // namespace millrace::runtime
