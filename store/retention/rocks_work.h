// What: RocksDB's own work, done at once while the caller waits: memory to files, a range
//       compacted. With Options::work_by_hand (the simulator's) nothing of the kind happens but
//       through here, so that a run does not hang on when threads get their turn.
// Threads: any, one at a time where the work is by hand. Lifetime: the Engine outlives the call.
// Limits: none. Failure: compact() costs space, not data, and says nothing; the others an Error.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/format.h"

#include <rocksdb/options.h>

#include <cstdint>
#include <string>

namespace millrace::store {

class Engine;

core::Status flush(Engine& engine);
// The same, and nobody waits for it.
core::Status begin_flush(Engine& engine);
// What of all families is in memory only, and in the WAL.
std::uint64_t unflushed_bytes(Engine& engine);
// What a background thread does when RocksDB takes no more writes: without threads nobody would,
// and a write would wait for ever.
void make_room(Engine& engine);
// The last thing before a clean end: what is in memory goes to files, where that is little, the
// WAL of it is long and the disk has room. The next start need not read that then; a hundred
// thousand documents leave 200 MB of it, of which nearly all stands in files already.
core::Status flush_for_next_start(Engine& engine);
void compact(Engine& engine, ColumnFamily family, const std::string& from, const std::string& to,
             const rocksdb::CompactRangeOptions& options);
// Gives the files back of what stood before `kept` and was dropped. Costs about the same for a
// little as for much: passes that each drop a little are gathered.
void reclaim_log(Engine& engine, core::ShardId shard, core::LogOffset kept);

}  // namespace millrace::store
