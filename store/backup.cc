#include "store/backup.h"

#include "store/engine.h"
#include "store/file_util.h"

#include <rocksdb/utilities/checkpoint.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
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
    if (!error) return sync_file(to.string());
    // A full disk comes out of copy_file() as an input/output error.
    std::error_code ignored;
    const bool full = free_disk_bytes(to.parent_path()) < fs::file_size(from, ignored);
    return file_error("copy to", to.string(), full ? ENOSPC : error.value());
}

// The folder is the caller's choice, and so is the mistake when it can't be made.
core::Status make_target(const std::string& folder) {
    auto made = make_folder(folder);
    if (made) return made;
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  made.error().message + "; choose a folder that can be written")
                          .in("path"));
}

// Held while the backup is read: a folder in use changes under the copy.
class ReadLock {
public:
    ReadLock() = default;
    ~ReadLock() {
        if (fd_ >= 0) ::close(fd_);
    }
    ReadLock(const ReadLock&) = delete;
    ReadLock& operator=(const ReadLock&) = delete;

    core::Status take(const std::string& folder) {
        const std::string path = folder + "/lock";
        if (!file_exists(path)) return {};  // a backup has none
        fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0) return file_error("open lock file", path, errno);
        if (::flock(fd_, LOCK_SH | LOCK_NB) == 0) return {};
        return core::fail(core::ErrorCode::kConflict,
                          "store: restore from path=" + folder +
                              " failed: it is the data folder of a running server; make a backup "
                              "of it first (millrace backup FOLDER)");
    }

private:
    int fd_ = -1;
};

// What secrets are sealed with, where it lies in the folder: without it a copy could not read them.
core::Status copy_seal_key(const std::string& from, const std::string& to) {
    if (!file_exists(from + "/secrets.key")) return {};
    return copy_synced(from + "/secrets.key", to + "/secrets.key");
}

core::Status copy_all(const std::string& from, const std::string& to) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from + "/rocks", error)) {
        if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
        const fs::path target = fs::path(to) / "rocks" / entry.path().filename();
        if (auto status = copy_synced(entry.path(), target); !status) return status;
    }
    if (error) return file_error("read", from, error.value());
    if (auto status = copy_seal_key(from, to); !status) return status;
    // FORMAT comes last: without it the folder is not opened.
    for (const char* name : {"hwm", "FORMAT"}) {
        if (auto status = copy_synced(fs::path(from) / name, fs::path(to) / name); !status)
            return status;
    }
    for (const std::string& folder : {to + "/rocks", to}) {
        if (auto status = sync_folder(folder); !status) return status;
    }
    return {};
}

// What a copy that failed has left in a folder that was empty or not there: in the way of the next.
core::Error cleaned(core::Error&& error, std::initializer_list<std::string> copied) {
    std::error_code ignored;
    for (const std::string& path : copied) fs::remove_all(path, ignored);
    error.message += "; what was copied is removed again";
    return std::move(error);
}

core::Status fill(Database& database, const std::string& folder, BackupReport& report) {
    Engine& engine = database.engine();
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
    if (auto status = copy_seal_key(engine.options.path, folder); !status) return status;
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
    if (auto status = make_target(part); !status) return core::fail(std::move(status.error()));
    BackupReport report;
    if (auto status = fill(database, part, report); !status)
        return core::fail(cleaned(std::move(status.error()), {part}));
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
    ReadLock lock;
    if (auto status = lock.take(backup_folder); !status)
        return core::fail(std::move(status.error()));
    std::error_code error;
    if (fs::exists(data_folder, error) && !fs::is_directory(data_folder, error)) {
        return core::fail(core::ErrorCode::kConflict,
                          "store: restore to path=" + data_folder + " failed: it is no folder");
    }
    if (fs::exists(data_folder, error) && !fs::is_empty(data_folder, error)) {
        return core::fail(core::ErrorCode::kConflict,
                          "store: restore to path=" + data_folder +
                              " failed: the folder is not empty; choose one that is, or a new one");
    }
    const std::string rocks = data_folder + "/rocks";
    if (auto status = make_target(rocks); !status) return core::fail(std::move(status.error()));
    if (auto status = copy_all(backup_folder, data_folder); !status)
        return core::fail(cleaned(
            std::move(status.error()),
            {rocks, data_folder + "/hwm", data_folder + "/FORMAT", data_folder + "/secrets.key"}));
    BackupReport report;
    measure(data_folder, report);
    return report;
}

}  // namespace millrace::store
