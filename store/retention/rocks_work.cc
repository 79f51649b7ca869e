#include "store/retention/rocks_work.h"

#include "store/engine.h"
#include "store/file_util.h"
#include "store/retention/space_guard.h"
#include "store/rows/keys.h"

#include <rocksdb/convenience.h>
#include <rocksdb/transaction_log.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {
namespace {

// A start reads so much of a WAL in a moment; more memory than that takes a stop long to write.
constexpr std::uint64_t kWalBytesLeft = 16u << 20;
constexpr std::uint64_t kFlushedAtEndMax = 32u << 20;

// Background threads may work while this lives. Its end waits until none does: a flush tells its
// caller that it is done before it has removed the files that nobody needs any more.
class Allowed {
public:
    explicit Allowed(Engine& engine) : engine_(engine) {
        if (engine_.options.work_by_hand)
            engine_.db().ContinueBackgroundWork().PermitUncheckedError();
    }
    ~Allowed() {
        if (engine_.options.work_by_hand) engine_.db().PauseBackgroundWork().PermitUncheckedError();
    }
    Allowed(const Allowed&) = delete;
    Allowed& operator=(const Allowed&) = delete;

private:
    Engine& engine_;
};

// As what fails behind our back (rocks_errors.h). A memtable whose new WAL could not be made must
// not be put aside a second time: RocksDB 7.8 ends the process then.
void end_on_disk_error(Engine& engine, std::string_view what, const rocksdb::Status& status) {
    if (status.IsIOError())
        engine.set_disk_failed(std::string(what) + " failed: " + status.ToString());
}

std::vector<rocksdb::ColumnFamilyHandle*> all_families(const Engine& engine) {
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    for (std::size_t i = 0; i < kColumnFamilyCount; ++i)
        families.push_back(engine.family(static_cast<ColumnFamily>(i)));
    return families;
}

core::Status flush(Engine& engine, const rocksdb::FlushOptions& options) {
    if (engine.fatal()) return core::fail(core::ErrorCode::kUnavailable, engine.fatal_reason());
    const Allowed allowed(engine);
    const rocksdb::Status status = engine.db().Flush(options, all_families(engine));
    end_on_disk_error(engine, "flush", status);
    return status.ok() ? core::Status{} : core::fail(rocks_error("flush", status));
}

std::uint64_t wal_bytes(rocksdb::DB& db) {
    rocksdb::VectorLogPtr files;
    if (!db.GetSortedWalFiles(files).ok()) return 0;
    std::uint64_t bytes = 0;
    for (const auto& file : files) bytes += file->SizeFileBytes();
    return bytes;
}

}  // namespace

std::uint64_t unflushed_bytes(Engine& engine) {
    std::uint64_t sum = 0;
    for (rocksdb::ColumnFamilyHandle* family : all_families(engine)) {
        std::uint64_t bytes = 0;
        engine.db().GetIntProperty(family, rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
        sum += bytes;
    }
    return sum;
}

core::Status flush(Engine& engine) { return flush(engine, rocksdb::FlushOptions()); }

core::Status begin_flush(Engine& engine) {
    rocksdb::FlushOptions options;
    options.wait = false;
    return flush(engine, options);
}

void make_room(Engine& engine) {
    std::uint64_t is_stopped = 0;
    engine.db().GetIntProperty(rocksdb::DB::Properties::kIsWriteStopped, &is_stopped);
    if (is_stopped != 0) static_cast<void>(flush(engine));  // a failure ends the store's writing
}

core::Status flush_for_next_start(Engine& engine) {
    if (wal_bytes(engine.db()) <= kWalBytesLeft || unflushed_bytes(engine) > kFlushedAtEndMax)
        return {};
    // A start is refused where there is too little room: what is written now must not take it.
    if (free_disk_bytes(engine.options.path) < SpaceGuard::kFreeBytesMin + 2 * kFlushedAtEndMax)
        return {};
    rocksdb::FlushOptions options;
    options.allow_write_stall = true;  // nobody writes any more: nothing is waited for
    return flush(engine, options);
}

void compact(Engine& engine, ColumnFamily family, const std::string& from, const std::string& to,
             const rocksdb::CompactRangeOptions& options) {
    if (engine.fatal()) return;
    const Allowed allowed(engine);
    const rocksdb::Slice begin(from);
    const rocksdb::Slice end(to);
    end_on_disk_error(
        engine, "compaction",
        engine.db().CompactRange(options, engine.family(family), from.empty() ? nullptr : &begin,
                                 to.empty() ? nullptr : &end));
}

void reclaim_log(Engine& engine, core::ShardId shard, core::LogOffset kept) {
    const std::string begin = log_key({shard, core::LogOffset{0}});
    const std::string end = log_key({shard, kept});
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    // The log's tables hold references of 20 bytes: moving them is cheap, and blob files that
    // nobody refers to any more go away whole.
    compact(engine, ColumnFamily::kLog, begin, end, options);
    const rocksdb::Slice from(begin);
    const rocksdb::Slice to(end);
    for (const ColumnFamily family : {ColumnFamily::kSummary, ColumnFamily::kOutcomes}) {
        rocksdb::DeleteFilesInRange(&engine.db(), engine.family(family), &from, &to, false)
            .PermitUncheckedError();
    }
}

}  // namespace millrace::store
