// What: the door to one data folder. Opens and checks it, hands out the shards' logs, the readers
//       and the row stores, and knows the state of health: fatal, short of space, durable tails.
//       Folder: LOCK of RocksDB in rocks/, `hwm` (high-water mark), `ballast`, ids/ (identity
//       runs).
// Threads: open() and destruction on one thread; everything else says its own. Accessors are
//       immutable after open().
// Lifetime: outlives every part that was got from it.
// Limits: shard count is recorded in the folder; another one is accepted only while the log is
//       empty.
// Failure: open() returns an Error whose text says what was found, why it is refused and what
//       helps. Nothing is repaired by deleting.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "store/ids/hasher.h"
#include "store/log/format.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class Env;
}

namespace millrace::store {

class AuditLog;
class DeadLetters;
class EntityStore;
class Engine;
class EventSearch;
class Executions;
class Housekeeper;
class IdIndex;
class KvHistory;
class KvStore;
class LogReader;
class PoolSet;
class Quarantine;
class RegistryStore;
class ReplicaGate;
class RetrySchedule;
class ShardLog;
class SpaceGuard;
class StoredBytes;

class Database {
public:
    struct Options {
        std::string path{};
        std::size_t shards = 1;
        // Told: another number than a folder with events was made with is refused. Suggested: the
        // folder's own is taken then (Database::shards()).
        enum class Shards : std::uint8_t { kTold, kSuggested } shards_are = Shards::kTold;
        const core::Clock* clock = nullptr;  // required
        std::size_t block_cache_bytes = 8u << 20;
        std::size_t write_buffer_bytes = 64u << 20;  // of the log's family; touched only under load
        // Of the log's buffers: the one that fills, and those that wait to be flushed.
        std::size_t log_write_buffers_max = 4;
        // Of each other family; those that take much get twice as much.
        std::size_t small_write_buffer_bytes = 8u << 20;
        // Of all families together, where it is told (0: it is not). Then RocksDB's other memory is
        // bounded too: indexes and filters of files share the block cache.
        std::size_t write_buffers_bytes_max = 0;
        // Free buffers for blocks and bodies that are kept for the next use.
        std::size_t spare_bytes_max = 48u << 20;
        std::size_t kv_cache_bytes = 4u << 20;
        // How far back views of kv reach; 0: no history is kept.
        std::int64_t kv_history_us = 0;
        // Ingest stops when less than this is free; the ballast is given back to compaction then.
        std::uint64_t reserve_bytes = 1u << 30;
        std::uint64_t ballast_bytes = 64u << 20;
        // Set by `--accept-loss`: start although acknowledged events are missing, and say which
        // (losses()).
        bool accept_loss = false;
        bool read_only = false;  // inspect, verify: writes nothing
        // Most files that RocksDB keeps open; -1: all that there are.
        int open_files_max = -1;
        bool check_all_reads = false;  // verify: RocksDB's checksums of blocks beside ours
        // Per shard, before it becomes a run: identities, or bytes of the log that hold them.
        std::size_t id_table_entries_max = 512u << 10;
        std::uint64_t id_table_log_bytes_max = 64u << 20;
        // Per shard, of the filters of all runs; those beyond are read in their files.
        std::size_t id_filter_bytes_max = std::numeric_limits<std::size_t>::max();
        // So much must have become free in retention's pass before files are compacted for it; less
        // is left to ordinary compaction.
        std::uint64_t reclaim_bytes_min = 64u << 20;
        // The simulator's: RocksDB flushes and compacts only where it is told to, and while the
        // caller waits.
        bool work_by_hand = false;
        rocksdb::Env* env = nullptr;  // tests: a fault-injecting one
        // Most syncs of the WAL at once, where the disk gains by several (LogWriter). More than 1:
        // somebody must run the LogWriter's syncers.
        std::size_t sync_depth_max = 1;
        // Tests: how many at once, asked before each group; instead of what is measured.
        std::function<std::size_t()> sync_depth{};
        // The simulator's: where a new folder's hash seed comes from. None: drawn from the system.
        // A partition's: what all of its copies are made with; another one's folder is refused.
        std::optional<std::uint64_t> hash_seed{};
        // Each write goes through it before it reaches the disk. Null: this store stands alone.
        ReplicaGate* gate = nullptr;
    };
    static core::Result<std::unique_ptr<Database>> open(const Options& options);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    std::size_t shards() const;
    const Hasher& hasher() const;
    // Counts the openings of this folder; part of ids that must never come twice.
    std::uint32_t boot() const;
    PoolSet& pools();

    // What the folder was found as.
    struct Opening {
        std::string left_by;  // the process that had it open last, if it did not close it
        std::uint32_t format_before = 0;  // an older format that this opening has replaced
        std::uint64_t rows_moved = 0;     // for that, into families with other keys
    };
    const Opening& opening() const;

    // The open end of a shard's log; taken over by the shard's thread.
    ShardLog& shard_log(core::ShardId shard);

    // Any thread.
    LogReader& log_reader();
    EventSearch& event_search();
    Executions& executions();
    KvStore& kv();
    KvHistory& kv_history();
    RetrySchedule& retries();
    DeadLetters& dead_letters();
    EntityStore& entities();
    RegistryStore& registry();
    AuditLog& audit();
    IdIndex& ids();
    SpaceGuard& space();
    StoredBytes& stored_bytes();
    // Rows that cannot be read.
    Quarantine& quarantine();
    // What was missing at this start, in words; only with Options::accept_loss.
    const std::vector<std::string>& losses() const;
    // An agent (do_work): high-water mark, space guard, identity runs. Run it on a thread of its
    // own.
    Housekeeper& housekeeper();

    // One past the last durable event; any thread, wait-free.
    core::LogOffset durable_end(core::ShardId shard) const;
    // The same of what is on the disk, whatever the levels of its commits were: what is before it
    // outlives a power cut. durable_end() is further where a commit was only handed to the system;
    // the housekeeper brings it here within 100 ms. Any thread.
    core::LogOffset synced_end(core::ShardId shard) const;
    // The first event still kept (retention moves it).
    core::LogOffset first_kept(core::ShardId shard) const;
    // A cursor written with RowBatch::put_cursor; offset 0 when there is none.
    core::LogOffset cursor(std::string_view name, core::ShardId shard) const;
    // Those whose names begin so.
    core::Status visit_cursors(
        std::string_view prefix,
        const std::function<void(std::string_view name, core::LogPosition end)>& visit) const;

    // Commits rows at once and blocks until they are durable. For slow paths (registry, API); the
    // log's blocks go through the LogWriter.
    core::Status write_now(const RowBatch& rows, Durability durability = Durability::kFsync);

    // After a failed write or sync: nothing is acknowledged any more, the process must end.
    bool fatal() const;
    std::string fatal_reason() const;
    void set_fatal(std::string reason);

    // What is in memory goes to files; compact(): and those become few. RocksDB does both by itself
    // when it is time: for tests.
    core::Status flush();
    void compact();

    // Writes the high-water mark and closes. Every other part must be stopped.
    core::Status close();

    struct Stats {
        std::uint64_t log_bytes = 0;  // live bytes of all families, estimated
        std::uint64_t events = 0;
        std::uint64_t retries = 0;  // RetrySchedule::count_unparked()
        std::uint64_t dead_letters = 0;
        std::uint64_t unsynced_bytes = 0;  // acknowledged at os or memory level and not yet synced
    };
    Stats stats() const;
    std::uint64_t unsynced_bytes() const;  // of stats(), without the rest's cost

    Engine& engine() { return *engine_; }  // the store's own parts only

private:
    explicit Database(std::unique_ptr<Engine> engine);
    std::unique_ptr<Engine> engine_;
};

}  // namespace millrace::store
