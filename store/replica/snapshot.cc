#include "store/replica/snapshot.h"

#include "store/database.h"
#include "store/engine.h"
#include "store/file_util.h"
#include "store/log/block_codec.h"
#include "store/rows/keys.h"

#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRocksFolder = "rocks/";
constexpr std::string_view kFormatFile = "FORMAT";

core::Error goes_another_way(const CopyEnd& asks, std::uint64_t end) {
    return core::Error(
        core::ErrorCode::kConflict,
        "store: the log of the copy that asks ends at offset " + std::to_string(asks.offset) +
            ", and is no beginning of the one here, which ends at offset " + std::to_string(end));
}

// Of what retention has dropped nobody can say it any more.
core::Status check_is_beginning(Engine& engine, const CopyEnd& asks) {
    const core::ShardId shard{0};
    if (asks.offset == 0 || asks.offset < engine.first_kept(shard).value) return {};
    const ShardTail tail = engine.tail(shard);
    if (asks.offset == tail.end_offset && asks.hash == tail.last_hash) return {};
    if (asks.offset >= tail.end_offset) return core::fail(goes_another_way(asks, tail.end_offset));
    const core::LogPosition next{shard, core::LogOffset{asks.offset}};
    rocksdb::PinnableSlice value;
    auto there = engine.get(ColumnFamily::kLog, log_key(next), value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there) return core::fail(goes_another_way(asks, tail.end_offset));
    auto block = open_block(next, view(value));
    if (!block) return core::fail(std::move(block.error()));
    if (block->header.previous_hash != asks.hash)
        return core::fail(goes_another_way(asks, tail.end_offset));
    return {};
}

core::Status list_files(const std::string& folder, Snapshot& out) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder + "/rocks", error)) {
        const std::string name = std::string(kRocksFolder) + entry.path().filename().string();
        if (is_snapshot_name(name)) out.files.push_back({name, entry.file_size(error)});
        if (error) break;
    }
    if (error) return file_error("read folder", folder, error.value());
    if (out.files.size() >= kSnapshotFilesMax)
        return core::fail(core::ErrorCode::kInternal, "store: a snapshot of more than " +
                                                          std::to_string(kSnapshotFilesMax) +
                                                          " files is more than a copy takes");
    std::sort(out.files.begin(), out.files.end(),
              [](const SnapshotFile& a, const SnapshotFile& b) { return a.name < b.name; });
    // Last, as everywhere: without it the folder is none.
    const std::uintmax_t bytes = fs::file_size(folder + "/FORMAT", error);
    if (error) return file_error("look at", folder + "/FORMAT", error.value());
    out.files.push_back({std::string(kFormatFile), bytes});
    return {};
}

core::Status fill(Engine& engine, const std::string& folder, Snapshot& out) {
    if (auto status = make_folder(folder); !status) return status;
    if (const rocksdb::Status named = engine.db().GetDbIdentity(out.origin); !named.ok())
        return core::fail(rocks_error("read identity", named));
    auto position = engine.replica_position();
    if (!position) return core::fail(std::move(position.error()));
    out.position = *position;
    rocksdb::Checkpoint* raw = nullptr;
    rocksdb::Status made = rocksdb::Checkpoint::Create(&engine.db(), &raw);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
    if (made.ok()) made = checkpoint->CreateCheckpoint(folder + "/rocks");
    if (!made.ok()) return core::fail(rocks_error("make checkpoint path=" + folder, made));
    std::error_code error;
    fs::copy_file(engine.options.path + "/FORMAT", folder + "/FORMAT", error);
    if (error) return file_error("copy to", folder + "/FORMAT", error.value());
    return list_files(folder, out);
}

}  // namespace

std::uint64_t Snapshot::bytes() const {
    std::uint64_t sum = 0;
    for (const SnapshotFile& file : files) sum += file.bytes;
    return sum;
}

bool is_snapshot_name(std::string_view name) {
    if (name == kFormatFile) return true;
    if (!name.starts_with(kRocksFolder)) return false;
    name.remove_prefix(kRocksFolder.size());
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= 64 && name.front() != '.' && name != "LOCK" &&
           name != "IDENTITY" && std::all_of(name.begin(), name.end(), plain);
}

bool never_changes(std::string_view name) {
    return name.ends_with(".sst") || name.ends_with(".blob");
}

core::Result<Snapshot> snapshot_of(Engine& engine, const std::string& folder, const CopyEnd& asks) {
    if (auto status = check_is_beginning(engine, asks); !status)
        return core::fail(std::move(status.error()));
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    Snapshot out;
    if (auto status = fill(engine, folder, out); !status) {
        fs::remove_all(folder, ignored);
        return core::fail(std::move(status.error()));
    }
    return out;
}

core::Result<Snapshot> snapshot_of(Database& database, const std::string& folder,
                                   const CopyEnd& asks) {
    Engine& engine = database.engine();
    // No row has this key. What stands in the log behind the last write, an owner's signs of life,
    // would else count as missing to whoever begins with the snapshot.
    rocksdb::WriteBatch nothing;
    nothing.Delete(engine.family(ColumnFamily::kDefault), slice("copied"));
    if (auto status = engine.commit(nothing, Durability::kFsync); !status)
        return core::fail(std::move(status.error()));
    return snapshot_of(engine, folder, asks);
}

}  // namespace millrace::store
