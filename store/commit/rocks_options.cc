#include "store/commit/rocks_options.h"

#include "store/rows/kv_merge.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

namespace millrace::store {
namespace {

// What a start has to read again at most (about 0.3 s), and what keeps the WAL files few.
constexpr std::uint64_t kWalBytesMax = 256u << 20;
// Values below this stay in the SST; above, compaction moves 20-byte references instead of blocks.
constexpr std::uint64_t kBlobBytesMin = 2048;

// Looking at a folder writes nothing into it, RocksDB's own log neither.
class NoLog final : public rocksdb::Logger {
public:
    using rocksdb::Logger::Logv;
    void Logv(const char*, va_list) override {}
};

}  // namespace

rocksdb::DBOptions make_db_options(const Database::Options& options) {
    rocksdb::DBOptions db;
    if (options.env) db.env = options.env;
    db.create_if_missing = !options.read_only;
    db.create_missing_column_families = !options.read_only;
    // A torn tail is what power loss leaves: taken. Damage in the middle: refused, where the
    // default (point in time) silently drops every later record, acknowledged or not.
    db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    // Closed WAL files that vanish or shrink are found at open (the live one: high-water mark).
    db.track_and_verify_wals_in_manifest = true;
    db.max_total_wal_size = kWalBytesMax;
    // A start must not wait for a flush; what was replayed stays in its WAL.
    db.avoid_flush_during_recovery = true;
    // A clean stop writes what flush_for_next_start() says, which is little: stopping is quick.
    db.avoid_flush_during_shutdown = true;
    // Per column family, made at every open, files or none: the default 16 would be 170 threads.
    db.max_file_opening_threads = 2;
    // What has failed is not tried again behind our back (rocks_errors.h).
    db.max_bgerror_resume_count = 0;
    // One flush and one compaction thread: the shards own the cores.
    db.max_background_jobs = 2;
    db.max_open_files = options.open_files_max;
    db.db_write_buffer_size = options.write_buffers_bytes_max;
    // Long background writes go to the disk piece by piece, and the next piece only when the last
    // is there: else a flush of 64 MB stands in the disk's queue before the WAL's sync (100 ms).
    db.bytes_per_sync = 1u << 20;
    db.strict_bytes_per_sync = true;
    // Nothing reads these; each costs a thread's wake-up or a start's time.
    db.stats_dump_period_sec = 0;
    db.stats_persist_period_sec = 0;
    db.skip_stats_update_on_db_open = true;
    if (options.read_only) db.info_log = std::make_shared<NoLog>();
    db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    db.keep_log_file_num = 3;
    db.max_log_file_size = 4u << 20;
    db.table_cache_numshardbits = 2;
    return db;
}

void accept_damaged_wals(rocksdb::DBOptions& db) {
    db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    db.track_and_verify_wals_in_manifest = false;
    // What is there goes to files: else the next start would meet the damage again.
    db.avoid_flush_during_recovery = false;
}

std::vector<rocksdb::ColumnFamilyDescriptor> make_families(const Database::Options& options) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, 2);
    table.format_version = 5;
    // Verified on every read from disk: a flipped bit is an error, never data.
    table.checksum = rocksdb::kXXH3;
    // Else they are beside every cache, and grow with the files.
    table.cache_index_and_filter_blocks = options.write_buffers_bytes_max != 0;

    rocksdb::ColumnFamilyOptions base;
    // Their rows are few; memtables are touched page by page as they fill.
    base.write_buffer_size = options.small_write_buffer_bytes;
    base.max_write_buffer_number = 3;
    // The arena grows by this: an idle family holds little.
    base.arena_block_size = std::min<std::size_t>(64u << 10, options.small_write_buffer_bytes / 8);
    base.compression = rocksdb::kLZ4Compression;
    base.level_compaction_dynamic_level_bytes = true;
    base.force_consistency_checks = true;
    base.disable_auto_compactions = options.work_by_hand;
    base.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    families.reserve(kDiskNames.size());
    for (const char* name : kDiskNames) families.emplace_back(name, base);
    const auto at = [&](ColumnFamily family) -> rocksdb::ColumnFamilyOptions& {
        return families[static_cast<std::size_t>(family)].options;
    };

    rocksdb::ColumnFamilyOptions& log = at(ColumnFamily::kLog);
    log.write_buffer_size = options.write_buffer_bytes;
    // While one is flushed two may fill: a flush slower than ingest for a moment stalls nobody.
    log.max_write_buffer_number = static_cast<int>(options.log_write_buffers_max);
    log.arena_block_size = std::min<std::size_t>(1u << 20, options.write_buffer_bytes / 8);
    // Blocks are LZ4 already.
    log.compression = rocksdb::kNoCompression;
    // A block is written twice in its life, WAL and blob file; compaction never moves it.
    log.enable_blob_files = true;
    log.min_blob_size = kBlobBytesMin;
    log.blob_file_size = 256u << 20;
    log.blob_compression_type = rocksdb::kNoCompression;
    // Retention drops whole ranges in order of age: blob files die as a whole, nothing to collect.
    log.enable_blob_garbage_collection = false;

    // Filters do not compress. Search reads them one after another: big table blocks, few seeks.
    rocksdb::BlockBasedTableOptions wide = table;
    wide.block_size = 64u << 10;
    at(ColumnFamily::kSummary).compression = rocksdb::kNoCompression;
    at(ColumnFamily::kSummary).table_factory.reset(rocksdb::NewBlockBasedTableFactory(wide));
    at(ColumnFamily::kSummary).write_buffer_size = 2 * options.small_write_buffer_bytes;
    at(ColumnFamily::kOutcomes).write_buffer_size = 2 * options.small_write_buffer_bytes;
    at(ColumnFamily::kOutcomes).table_factory.reset(rocksdb::NewBlockBasedTableFactory(wide));

    rocksdb::BlockBasedTableOptions point = table;
    // Point lookups of keys that are often absent.
    point.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    at(ColumnFamily::kKv).table_factory.reset(rocksdb::NewBlockBasedTableFactory(point));
    at(ColumnFamily::kKv).merge_operator = make_kv_merge_operator();
    at(ColumnFamily::kEntity).table_factory.reset(rocksdb::NewBlockBasedTableFactory(point));
    at(ColumnFamily::kRegistry).table_factory.reset(rocksdb::NewBlockBasedTableFactory(point));
    // States of keys (runtime/registry/state_book.h) are asked for at the pace of events, and a
    // key's first event finds none: ten bits a row of a full memtable spare the walk down its list.
    at(ColumnFamily::kRegistry).memtable_whole_key_filtering = true;
    at(ColumnFamily::kRegistry).memtable_prefix_bloom_size_ratio = 0.01;
    return families;
}

}  // namespace millrace::store
