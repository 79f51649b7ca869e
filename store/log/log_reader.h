// What: reading the log: whole blocks for feeder, replay and scan; one event for a lookup.
// Threads: any, at once. Lifetime: the Database outlives it; blocks outlive it.
// Limits: keeps a few decompressed blocks (Options of Database). Only durable events are seen.
// Failure: Errors; a block whose checksum is wrong is an Error, never wrong data. "Not there" is
//       an empty optional / block, not an Error.
#pragma once

#include "core/buffer.h"
#include "core/ids.h"
#include "core/result.h"
#include "store/ids/hasher.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

// One event with what keeps its bytes alive.
struct OwnedEvent {
    StoredEvent event;
    core::LogOffset block_first_offset;
    core::BufferRef bytes;
};

class LogReader {
public:
    explicit LogReader(Engine& engine);
    ~LogReader();

    // The block that holds `from`, or the first one behind it when retention took that; an empty
    // EventBlock at the log's end. Continue with block.end_offset().
    core::Result<EventBlock> read_block(core::ShardId shard, core::LogOffset from);
    // The block before `end`: for walking backwards. Empty before the first one.
    core::Result<EventBlock> read_block_before(core::ShardId shard, core::LogOffset end);

    // Unpacks only the 64 KiB in which the event lies. None: not (or no longer) kept.
    core::Result<std::optional<OwnedEvent>> read_event(core::LogPosition position);

    // By id alone, server-made or any other: the newest one kept.
    core::Result<std::optional<OwnedEvent>> find(core::TenantId tenant, std::string_view event_id);
    // Several sources may have used the id: the newest of each, newest first, events_max at most.
    core::Result<std::vector<OwnedEvent>> find_all(core::TenantId tenant, std::string_view event_id,
                                                   std::size_t events_max);
    // With the source: exactly the one that a duplicate would be told of.
    core::Result<std::optional<core::LogPosition>> find_identity(const IdHash& id);

    // For the store: the block was written anew.
    void forget(core::LogPosition first);

    core::LogOffset durable_end(core::ShardId shard) const;
    // The first event, in the order of the log, received at or after this time; the end: none was.
    core::Result<core::LogOffset> offset_at_time(core::ShardId shard, std::int64_t received_at_us);

private:
    Engine& engine_;
    struct Cache;
    std::unique_ptr<Cache> cache_;
};

}  // namespace millrace::store
