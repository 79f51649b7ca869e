#include "store/migration.h"

#include "core/fault.h"
#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/old_keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>

namespace millrace::store {

core::Result<std::uint64_t> Engine::move_rows(ColumnFamily to, rocksdb::ColumnFamilyHandle* from) {
    const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(rocksdb::ReadOptions(), from));
    rocksdb::WriteBatch batch;
    std::uint64_t moved = 0;
    const auto write = [&]() -> core::Status {
        if (batch.Count() == 0) return {};
        if (auto status = commit(batch, Durability::kOs); !status) return status;
        batch.Clear();
        core::pass_fault_point(core::FaultPoint::kMigrationBatch);
        return {};
    };
    for (rows->SeekToFirst(); rows->Valid(); rows->Next(), ++moved) {
        const std::string key = key_with_partition(to, view(rows->key()), view(rows->value()));
        if (key.starts_with(partition_key(kUnreadPartition)))
            quarantine.set_aside(to, key, "its key does not read");
        batch.Put(family(to), key, rows->value());
        if (batch.GetDataSize() < kCopyBatchBytes) continue;
        if (auto status = write(); !status) return core::fail(std::move(status.error()));
    }
    if (!rows->status().ok())
        return core::fail(rocks_error("read rows of the old format", rows->status()));
    if (auto status = write(); !status) return core::fail(std::move(status.error()));
    return moved;
}

core::Status Engine::migrate() {
    if (!format_is_old_ || options.read_only) return {};
    for (std::size_t i = 0; i < kColumnFamilyCount; ++i) {
        if (!old_handles_[i]) continue;
        auto moved = move_rows(static_cast<ColumnFamily>(i), old_handles_[i]);
        if (!moved) return core::fail(std::move(moved.error()));
        opening.rows_moved += *moved;
    }
    if (opening.format_before < kFormatWithPartitions) {
        // Serials were counted from boot << 32 on: those of units go on above.
        rocksdb::WriteBatch batch;
        const core::LogOffset next{std::uint64_t{boot_} << 12};
        for (std::size_t i = 0; i < options.shards; ++i) {
            const core::ShardId shard{static_cast<std::uint16_t>(i)};
            batch.Put(family(ColumnFamily::kCursor), cursor_key(kUnitsCursor, shard),
                      encode_cursor(next));
        }
        batch.Put(family(ColumnFamily::kCursor), cursor_key(kUnitsCursor, kOtherUnits),
                  encode_cursor(next));
        if (auto status = commit(batch, Durability::kFsync); !status) return status;
    }
    if (auto status = sync_now(); !status) return status;
    core::pass_fault_point(core::FaultPoint::kMigrationCopied);
    for (rocksdb::ColumnFamilyHandle*& old : old_handles_) {
        if (!old) continue;
        const rocksdb::Status dropped = db_->DropColumnFamily(old);
        if (!dropped.ok())
            return core::fail(rocks_error("drop a family of the old format", dropped));
        db_->DestroyColumnFamilyHandle(old);
        old = nullptr;
        core::pass_fault_point(core::FaultPoint::kMigrationDropped);
    }
    format_is_old_ = false;
    return write_format();
}

// One more than the highest number that any row bears: for a count that does not read.
core::Result<std::uint64_t> Engine::find_next_unit() {
    std::uint64_t next = 0;
    for (const ColumnFamily over :
         {ColumnFamily::kOutcomes, ColumnFamily::kAudit, ColumnFamily::kKvHistory}) {
        const auto rows = iterate(over);
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
            const std::string_view key = view(rows->key());
            if (key.size() < sizeof(std::uint64_t)) continue;
            const auto serial =
                KeyReader(key.substr(key.size() - sizeof(std::uint64_t))).be<std::uint64_t>();
            next = std::max(next, UnitCounter::number_of(serial) + 1);
        }
        if (!rows->status().ok())
            return core::fail(rocks_error("look for the next unit", rows->status()));
    }
    return next;
}

core::Status Engine::load_units_of(core::ShardId log) {
    const std::string key = cursor_key(kUnitsCursor, log);
    rocksdb::PinnableSlice value;
    core::LogOffset next;
    auto there = get(ColumnFamily::kCursor, key, value);
    if (!there) return core::fail(std::move(there.error()));
    if (*there && !decode_cursor(view(value), next)) {
        quarantine.set_aside(ColumnFamily::kCursor, key,
                             "the number of the next unit does not read");
        auto found = find_next_unit();
        if (!found) return core::fail(std::move(found.error()));
        next = core::LogOffset{*found};
    }
    units_.set(log, next.value);
    return {};
}

core::Status Engine::load_units() {
    if (options.read_only) return {};
    for (std::size_t i = 0; i < options.shards; ++i) {
        if (auto status = load_units_of(core::ShardId{static_cast<std::uint16_t>(i)}); !status)
            return status;
    }
    return load_units_of(kOtherUnits);
}

}  // namespace millrace::store
