#include "store/synced_end.h"

#include "store/database.h"
#include "store/engine.h"

namespace millrace::store {

core::LogOffset synced_end(Database& database, core::ShardId shard) {
    Engine& engine = database.engine();
    // In this order: what is told as committed by now has been counted before. A sync for rows
    // brings what is before them to the disk too, and says nothing of tails.
    const core::LogOffset end = engine.durable_end(shard);
    if (engine.unsynced_bytes() == 0) return end;
    return core::LogOffset{engine.synced_tails()[shard.value].end_offset};
}

}  // namespace millrace::store
