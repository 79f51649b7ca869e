// What: the inside of Database: RocksDB with its column families and options, the durable tails,
//       the fatal state, and the one way a batch of rows becomes a WriteBatch. The store's own
//       files include this; nobody else does.
// Threads: commit() and write() by any (RocksDB orders them; with a gate our own lock, so that the
//       gate's order is the disk's); tails are published by atomics.
// Lifetime: of the Database. Limits: none. Failure: RocksDB's Status becomes an Error here, once.
#pragma once

#include "core/result.h"
#include "store/commit/high_water_mark.h"
#include "store/commit/unit_counter.h"
#include "store/commit/wal_files.h"
#include "store/database.h"
#include "store/folder_lock.h"
#include "store/housekeeper.h"
#include "store/ids/id_index.h"
#include "store/log/block_codec.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"
#include "store/log/pool_set.h"
#include "store/log/shard_log.h"
#include "store/replica/batch_view.h"
#include "store/replica/replica_gate.h"
#include "store/retention/space_guard.h"
#include "store/retention/stored_bytes.h"
#include "store/rows/audit_log.h"
#include "store/rows/dead_letters.h"
#include "store/rows/due_turns.h"
#include "store/rows/entity_store.h"
#include "store/rows/executions.h"
#include "store/rows/kv_history.h"
#include "store/rows/kv_store.h"
#include "store/rows/quarantine.h"
#include "store/rows/registry_store.h"
#include "store/rows/retry_schedule.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::store {

inline std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// What one commit does to the store beside its bytes; gathered while the batch is made.
struct CommitEffects {
    std::int64_t retries_change = 0;
    std::int64_t parked_change = 0;  // of those
    std::int64_t dead_letters_change = 0;
    std::vector<std::pair<core::TenantId, DueKey>> retries_put{};  // those that wait for a time
};

// Turns RowBatches into one WriteBatch. kv operations on one key become one write.
class BatchMaker {
public:
    explicit BatchMaker(Engine& engine);
    ~BatchMaker();
    // What is added from now on belongs to the next unit of this log.
    void begin_unit(core::ShardId log);
    void add(const RowBatch& rows);
    void add_block(const SealedBlock& block);
    // Puts the gathered kv writes in, and where the units' numbers go on; then the batch is
    // complete.
    void finish();
    rocksdb::WriteBatch& batch() { return batch_; }
    const CommitEffects& effects() const { return effects_; }
    void clear();

private:
    struct KvPending;
    void add_kv(const RowBatch::OpView& op);
    std::uint64_t next_serial();

    Engine& engine_;
    rocksdb::WriteBatch batch_;
    CommitEffects effects_;
    std::unique_ptr<KvPending> kv_;
    std::string key_;
    core::ShardId unit_log_ = kOtherUnits;
    std::uint64_t serial_ =
        0;  // of the unit; equal to its end: a unit's number is still to be taken
    std::uint64_t serial_end_ = 0;
    std::vector<core::ShardId> units_used_;
    std::unique_lock<std::mutex> others_;
};

class Engine {
public:
    explicit Engine(const Database::Options& options);
    ~Engine();

    core::Status open();
    core::Status close();

    // For a folder that only follows another one (ReplicaStore), instead of open().
    core::Status open_replica();
    core::Status apply_replica(std::string_view bytes, const ReplicaPosition& at);
    core::Status note_replica(const ReplicaPosition& at);
    core::Result<ReplicaPosition> replica_position();
    // Somebody has had the folder open for himself since the position in it was written.
    bool written_alone() const { return written_alone_; }
    // kConflict: the folder's seed is another one than Options::hash_seed.
    core::Status check_seed();

    // The one way to the disk. After a failure the store is fatal.
    core::Status commit(rocksdb::WriteBatch& batch, Durability durability);
    // The same without a sync and without counting: the caller sees to the sync by wal_files, and
    // tells nobody before. Where there are wal_files.
    core::Status write_ahead(rocksdb::WriteBatch& batch);
    void apply(const CommitEffects& effects);
    // After commit(): the shard's log reaches this far now. synced: and everything before it is on
    // disk.
    void publish_tail(core::ShardId shard, const ShardTail& tail);
    void publish_synced();
    // For levels below fsync: brings what was acknowledged to the disk.
    core::Status sync_now();
    core::Status write_mark();
    std::array<ShardTail, core::kShardsMax> synced_tails();
    ShardTail tail(core::ShardId shard) const;

    bool fatal() const {
        return fatal_.load(std::memory_order_acquire);
    }  // pairs with set_fatal's release
    std::string fatal_reason() const;
    void set_fatal(std::string reason);
    // The same for what the disk did: told to the next start too.
    void set_disk_failed(const std::string& what);

    rocksdb::ColumnFamilyHandle* family(ColumnFamily family) const {
        return handles_[static_cast<std::size_t>(family)];
    }
    rocksdb::DB& db() { return *db_; }
    core::Result<bool> get(ColumnFamily family, std::string_view key, rocksdb::PinnableSlice& out);
    // A family that an older folder does not have yet (read only) reads as empty.
    std::unique_ptr<rocksdb::Iterator> iterate(ColumnFamily over,
                                               const rocksdb::Snapshot* at = nullptr);
    // Its rows are still those of a folder from before partitions: looked at without changing it.
    bool has_old_keys(ColumnFamily of) const { return old_keys_[static_cast<std::size_t>(of)]; }
    UnitCounter& units() { return units_; }

    core::LogOffset durable_end(core::ShardId shard) const {
        return core::LogOffset{
            ends_[shard.value].durable.load(std::memory_order_acquire)};  // pairs with publish_tail
    }
    core::LogOffset first_kept(core::ShardId shard) const {
        return core::LogOffset{ends_[shard.value].first_kept.load(std::memory_order_acquire)};
    }
    void set_first_kept(core::ShardId shard, core::LogOffset offset) {
        ends_[shard.value].first_kept.store(offset.value, std::memory_order_release);
    }

    const Database::Options options;
    Database::Opening opening;
    PoolSet pools{options.spare_bytes_max};
    Quarantine quarantine;
    // What a person has agreed to go on without (Options::accept_loss), in words.
    std::vector<std::string> losses;

    // Parts in the order they are made; each outlives those after it.
    std::unique_ptr<WalFiles> wal_files;  // null: one sync at a time, RocksDB's
    std::unique_ptr<Hasher> hasher;
    std::unique_ptr<SpaceGuard> space;
    IdIndex ids;
    StoredBytes stored_bytes{options.shards};
    std::vector<std::unique_ptr<ShardLog>> shard_logs;
    std::unique_ptr<LogReader> log_reader;
    std::unique_ptr<EventSearch> event_search;
    std::unique_ptr<Executions> executions;
    std::unique_ptr<KvStore> kv;
    std::unique_ptr<KvHistory> kv_history;
    std::unique_ptr<RetrySchedule> retries;
    std::unique_ptr<DeadLetters> dead_letters;
    std::unique_ptr<EntityStore> entities;
    std::unique_ptr<RegistryStore> registry;
    std::unique_ptr<AuditLog> audit;
    std::unique_ptr<Housekeeper> housekeeper;

    DueTurns due_turns;
    std::atomic<std::int64_t> retry_count{0};
    std::atomic<std::int64_t> parked_count{0};  // of those
    std::atomic<std::int64_t> dead_letter_count{0};
    // Bytes of log that retention has dropped and whose files are still there; one pass at a time.
    std::uint64_t unreclaimed_bytes = 0;
    // Written without a sync by commit(), and not yet synced.
    std::uint64_t unsynced_bytes() const;
    // Takes what unsynced_mark() said before a sync began.
    std::uint64_t unsynced_mark() const;
    void note_synced(std::uint64_t mark);
    // Views of kv reach back to here; the largest number: there is no history.
    std::atomic<std::int64_t> kv_history_since_us{std::numeric_limits<std::int64_t>::max()};
    void put_kv_history_since(rocksdb::WriteBatch& batch, std::int64_t since_us);
    // Grows with each kv change over all keys and all openings of the folder.
    std::uint64_t next_kv_sequence() {
        return (static_cast<std::uint64_t>(boot_) << 40) |
               kv_sequence_.fetch_add(1, std::memory_order_relaxed);
    }
    std::uint32_t boot() const { return boot_; }

private:
    struct alignas(64) Ends {
        std::atomic<std::uint64_t> durable{0};
        std::atomic<std::uint64_t> first_kept{0};
    };

    // Up to where RocksDB is open and nothing of it was read.
    core::Status open_folder();
    core::Status check_replicable();
    core::Status note_alone(rocksdb::WriteBatch& batch);
    void forget_alone(rocksdb::WriteBatch& batch);
    core::Status tell_alone(ReplicaPosition& position);
    core::Status check_follows(const BatchView& batch);
    core::Status take_blocks(const BatchView& batch);
    core::Status index_block(const BlockView& block, std::uint64_t from);
    core::Status settle_folder();
    core::Status check_format();
    core::Status open_rocks();
    core::Status load_meta();
    core::Status load_seed();
    core::Status recover_tails();
    core::Status recover_shard(core::ShardId shard);
    core::Status check_contiguous(core::ShardId shard);
    core::Status check_mark();
    core::Status check_mark_of(core::ShardId shard, const ShardTail& marked);
    core::Status recover_ids();
    core::Status recover_ids_of(core::ShardId shard);
    core::Status recover_gone();
    core::Status count_rows();
    core::Status open_kv_history();
    core::Status write_format();
    // Rows of an older format into this one's families (migration.cc).
    core::Status migrate();
    core::Result<std::uint64_t> move_rows(ColumnFamily family, rocksdb::ColumnFamilyHandle* from);
    core::Status load_units();
    core::Status load_units_of(core::ShardId log);
    core::Result<std::uint64_t> find_next_unit();
    core::Status make_parts();

    rocksdb::Status open_db(const rocksdb::DBOptions& with, const std::string& path);
    rocksdb::Status open_families(const rocksdb::DBOptions& with, const std::string& path);
    // Refused, unless a person has decided, now or at an earlier start: then it is one of `losses`.
    core::Status lost(core::LogPosition at, std::string what);

    core::Status write(rocksdb::WriteBatch& batch, bool sync);
    core::Status write_here(rocksdb::WriteBatch& batch, bool sync);

    std::mutex order_;  // of writes, over the gate and the disk
    FolderLock lock_;
    std::unique_ptr<rocksdb::Env> env_;  // of wal_files
    std::unique_ptr<rocksdb::DB> db_;
    std::array<rocksdb::ColumnFamilyHandle*, kColumnFamilyCount> handles_{};
    // Families of an older format that are still there.
    std::array<rocksdb::ColumnFamilyHandle*, kColumnFamilyCount> old_handles_{};
    std::array<bool, kColumnFamilyCount> old_keys_{};
    std::uint32_t boot_ = 0;
    UnitCounter units_;
    std::atomic<std::uint64_t> kv_sequence_{0};
    bool format_is_old_ = false;
    bool written_alone_ = false;  // see replica_position()
    std::array<Ends, core::kShardsMax> ends_{};

    mutable std::mutex tails_mutex_;
    std::array<ShardTail, core::kShardsMax> committed_{};
    std::array<ShardTail, core::kShardsMax> synced_{};
    std::array<ShardTail, core::kShardsMax> marked_{};
    std::unique_ptr<HighWaterMark> mark_;

    // Bytes since the start: written without a sync, and of those the ones a sync has covered.
    std::atomic<std::uint64_t> unsynced_ever_{0};
    std::atomic<std::uint64_t> synced_since_{0};

    std::atomic<bool> fatal_{false};
    mutable std::mutex fatal_mutex_;
    std::string fatal_reason_;
};

// One moment of the database for several iterators.
class EngineSnapshot {
public:
    explicit EngineSnapshot(Engine& engine) : engine_(engine), at_(engine.db().GetSnapshot()) {}
    ~EngineSnapshot() { engine_.db().ReleaseSnapshot(at_); }
    EngineSnapshot(const EngineSnapshot&) = delete;
    EngineSnapshot& operator=(const EngineSnapshot&) = delete;
    std::unique_ptr<rocksdb::Iterator> iterate(ColumnFamily over) const {
        return engine_.iterate(over, at_);
    }

private:
    Engine& engine_;
    const rocksdb::Snapshot* at_;
};

core::Error rocks_error(std::string_view operation, const rocksdb::Status& status);

}  // namespace millrace::store
