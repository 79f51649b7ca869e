// What: how many files and sockets this process may hold, raised to what the system allows, and
//       how they are shared out: a reserve for the store, the rest for connections. A client can
//       wait or be refused; a store that can't open its next file has to end the process.
// Threads: main's, before anything is opened. Lifetime: values.
// Limits: kDescriptorsWanted; below kDescriptorsMin a server can't work.
// Failure: a limit that can't be raised is used as it is; one that is too small is an error.
#pragma once

#include "core/config.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

inline constexpr std::uint64_t kDescriptorsWanted = 1u << 20;
inline constexpr std::uint64_t kDescriptorsMin = 128;
// From here on RocksDB may keep every file open, as it likes best.
inline constexpr std::uint64_t kDescriptorsPlenty = 1u << 16;

// Soft limit to the hard one. Returns the soft limit then.
std::uint64_t raise_descriptor_limit();

struct DescriptorPlan {
    std::uint64_t limit = 0;
    std::uint64_t reserve = 0;           // what the store and the process itself may take
    int store_files_max = -1;            // -1: as many as there are
    std::uint64_t connections_room = 0;  // of all shards and faces together
    std::size_t connections_max = 0;     // per shard and face, at most what is configured
    bool connections_capped = false;     // by the limit, not by the configuration
};

// Pure: how `limit` is shared out.
core::Result<DescriptorPlan> plan_descriptors(std::uint64_t limit, std::size_t shards,
                                              const core::HttpConfig& http);

}  // namespace millrace::runtime
