#include "store/backup.h"

#include "store/engine.h"
#include "store/file_util.h"

#include <rocksdb/utilities/checkpoint.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

core::Status sync_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return file_error("open", path, errno);
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (result != 0) return file_error("sync", path, error);
    return {};
}

core::Status copy_synced(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::copy_file(from, to, fs::copy_options::none, error);
    if (error) return file_error("copy to", to.string(), error.value());
    return sync_file(to.string());
}

core::Status fill(Database& database, const std::string& folder, BackupReport& report) {
    Engine& engine = database.engine();
    if (auto status = make_folder(folder); !status) return status;
    // The mark is taken first: the checkpoint reaches at least as far.
    auto mark = HighWaterMark::open(folder + "/hwm", false);
    if (!mark) return core::fail(std::move(mark.error()));
    const auto tails = engine.synced_tails();
    for (std::size_t i = 0; i < engine.options.shards; ++i)
        report.ends.emplace_back(tails[i].end_offset);
    if (auto status = (*mark)->write(tails, static_cast<std::uint32_t>(engine.options.shards));
        !status)
        return status;
    rocksdb::Checkpoint* raw = nullptr;
    rocksdb::Status made = rocksdb::Checkpoint::Create(&engine.db(), &raw);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
    if (made.ok()) made = checkpoint->CreateCheckpoint(folder + "/rocks");
    if (!made.ok()) return core::fail(rocks_error("make checkpoint path=" + folder, made));
    return copy_synced(engine.options.path + "/FORMAT", folder + "/FORMAT");
}

void measure(const std::string& folder, BackupReport& report) {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
        if (!entry.is_regular_file(error)) continue;
        ++report.files;
        report.bytes += entry.file_size(error);
    }
}

}  // namespace

core::Result<BackupReport> backup(Database& database, const std::string& folder) {
    if (file_exists(folder)) {
        return core::fail(core::ErrorCode::kConflict,
                          "store: back up to path=" + folder + " failed: it exists already");
    }
    const std::string part = folder + ".part";
    if (file_exists(part)) {
        return core::fail(core::ErrorCode::kConflict,
                          "store: back up to path=" + folder + " failed: " + part +
                              " is there, perhaps of a backup that was cut short; remove it");
    }
    BackupReport report;
    if (auto status = fill(database, part, report); !status)
        return core::fail(std::move(status.error()));
    measure(part, report);
    if (auto status = sync_folder(part); !status) return core::fail(std::move(status.error()));
    if (::rename(part.c_str(), folder.c_str()) != 0) return file_error("rename", part, errno);
    const fs::path parent = fs::absolute(folder).parent_path();
    if (auto status = sync_folder(parent.string()); !status)
        return core::fail(std::move(status.error()));
    return report;
}

core::Result<BackupReport> restore(const std::string& backup_folder,
                                   const std::string& data_folder) {
    if (!file_exists(backup_folder + "/FORMAT") || !file_exists(backup_folder + "/rocks/CURRENT")) {
        return core::fail(core::ErrorCode::kNotFound,
                          "store: restore from path=" + backup_folder +
                              " failed: it is no complete backup (FORMAT or rocks/ missing)");
    }
    std::error_code error;
    if (fs::exists(data_folder, error) && !fs::is_empty(data_folder, error)) {
        return core::fail(core::ErrorCode::kConflict, "store: restore to path=" + data_folder +
                                                          " failed: the folder is not empty");
    }
    if (auto status = make_folder(data_folder + "/rocks"); !status)
        return core::fail(std::move(status.error()));
    for (const auto& entry : fs::directory_iterator(backup_folder + "/rocks", error)) {
        if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
        const fs::path to = fs::path(data_folder) / "rocks" / entry.path().filename();
        if (auto status = copy_synced(entry.path(), to); !status)
            return core::fail(std::move(status.error()));
    }
    if (error) return file_error("read", backup_folder, error.value());
    // FORMAT comes last: without it the folder is not opened.
    for (const char* name : {"hwm", "FORMAT"}) {
        if (auto status = copy_synced(fs::path(backup_folder) / name, fs::path(data_folder) / name);
            !status)
            return core::fail(std::move(status.error()));
    }
    for (const std::string& folder : {data_folder + "/rocks", data_folder}) {
        if (auto status = sync_folder(folder); !status)
            return core::fail(std::move(status.error()));
    }
    BackupReport report;
    measure(data_folder, report);
    return report;
}

}  // namespace millrace::store
