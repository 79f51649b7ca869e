// What: the door through which each write of a replicated store goes before it reaches the disk,
//       and what the disk keeps of it: how far the copy in this folder has come along its log. The
//       row stands in the same write as what it speaks of, so that both are there or neither.
// Threads: append() by any, one at a time: the Engine holds an order lock over it and its write.
// Lifetime: outlives the Database. Limits: kReplicaUnitBytesMax of a write.
// Failure: an Error that says why the log will never have it: then nothing of it is written, and
//       the store is fatal.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::store {

// A group of the LogWriter is 16 MiB and a unit.
inline constexpr std::size_t kReplicaUnitBytesMax = 64u << 20;
inline constexpr std::string_view kReplicaKey = "replica";
// Beside it, where a server has opened the folder without a gate since: the number of that start.
inline constexpr std::string_view kAloneKey = "replica_alone";

struct ReplicaPosition {
    std::uint64_t sequence = 0;   // of the last message of the log that was taken
    std::int64_t created_us = 0;  // when the log's stream was made; 0: none was read yet
    std::uint64_t epoch = 0;      // of the ownership that it came under
    std::uint64_t unit = 0;       // the last one that is here
    std::uint64_t hash = 0;       // over all units up to it, in their order
    constexpr bool operator==(const ReplicaPosition&) const = default;
};

std::string encode_replica_position(const ReplicaPosition& position);
core::Result<ReplicaPosition> decode_replica_position(std::string_view row);

class ReplicaGate {
public:
    virtual ~ReplicaGate() = default;
    // Blocks until the log has the batch; answers where it stands there.
    virtual core::Result<ReplicaPosition> append(std::string_view batch) = 0;
};

}  // namespace millrace::store
