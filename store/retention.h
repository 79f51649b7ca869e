// What: drops the oldest blocks, whole, by age and by bytes, with what belongs to them (summaries,
//       outcomes). Never the newest block of a shard (it carries the chain), never what a floor
//       protects (a cursor, a waiting retry, a dead letter, a replay under way).
// Threads: one at a time (the conductor or the housekeeper's thread). Lifetime: the Database
//       outlives it.
// Limits: none; the work is a few range deletions whatever their size.
// Failure: Errors from the disk (then the store is fatal, as after any failed write).
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::store {

class Database;

struct RetentionRule {
    std::int64_t keep_received_after_us =
        0;  // events received before this may go; 0: no rule by age
    std::uint64_t keep_bytes_max =
        0;  // of blocks as stored, all shards together; 0: no rule by bytes
    // Nothing at or behind these offsets goes, by shard; empty: no floor. Waiting retries, dead
    // letters and the cursor "deliveries" are looked up by apply_retention() itself.
    std::vector<core::LogOffset> floors{};
};

struct RetentionReport {
    std::uint64_t events_dropped = 0;
    std::uint64_t bytes_dropped = 0;
    // The rule wanted more, but a cursor, retry, dead letter or floor still needs it: events kept
    // for that reason.
    std::uint64_t events_held_back = 0;
};

core::Result<RetentionReport> apply_retention(Database& database, const RetentionRule& rule);

}  // namespace millrace::store
