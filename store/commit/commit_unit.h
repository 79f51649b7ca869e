// What: what goes to the log and what comes back: a unit is what one producer wants committed
//       atomically, and a part says that units of several producers belong together.
// Threads: values, handed over whole. Lifetime: a sealed block may not outlive the Database.
// Limits: none. Failure: Completion::failed.
#pragma once

#include "core/ids.h"
#include "store/log/shard_log.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <optional>

namespace millrace::store {

// Of a batch that is written whole or not at all: one producer's units of it, which follow each
// other. Batches of several producers must come in the same order from each of them, and a unit
// holds a part of one batch at most (all_or_none.h says why).
struct BatchPart {
    std::uint64_t batch = 0;      // unique while it is under way; 0: the unit stands alone
    std::uint32_t producers = 1;  // that send a part
    bool last = true;             // this producer's last unit of it
};

// How far one shard's log reaches.
struct LogEnd {
    std::uint64_t blocks = 0;  // sequence of the next one
    core::LogOffset offset;    // of the next event
    constexpr bool operator==(const LogEnd&) const = default;
};

struct CommitUnit {
    std::uint64_t tag = 0;  // the producer's own; comes back in the completion
    Durability durability = Durability::kFsync;
    BatchPart part;
    // Where the producer's log must end when this is written. Empty: rows of one without a log.
    std::optional<LogEnd> follows{};
    SealedBlock block;  // block.events empty: no block
    RowBatch rows;
};

struct Completion {
    std::uint64_t tag = 0;
    bool failed = false;  // the store is in its fatal state
    bool has_block = false;
    Durability durability = Durability::kFsync;  // the level reached: never less than was asked for
    core::LogPosition durable_end{};             // has_block: one past the block's last event
    RowBatch rows;                               // given back empty, with its memory, for reuse
};

}  // namespace millrace::store
