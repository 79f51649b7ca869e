#include "store/replica/fill_folder.h"

#include "store/file_util.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOrigin = "/ORIGIN", kFilled = "/FILLED", kPart = ".part";

core::Status remove_tree(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return file_error("remove", path, error.value());
    return {};
}

core::Status rename_folder(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) return file_error("rename", from, errno);
    return {};
}

core::Status sync_parent(const std::string& path) {
    const std::string parent = fs::path(path).parent_path().string();
    return sync_folder(parent.empty() ? "." : parent);
}

core::Status write_all(int fd, const std::string& path, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return file_error("write", path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
}

core::Status write_mark_file(const std::string& path, std::string_view text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0) return file_error("create", path, errno);
    auto status = write_all(fd, path, text);
    if (status && ::fsync(fd) != 0) status = file_error("sync", path, errno);
    ::close(fd);
    return status;
}

// Whatever is no whole file of this snapshot's leaves.
core::Status keep_only(const std::string& folder, const std::vector<SnapshotFile>& files,
                       bool same_origin) {
    std::error_code error;
    std::vector<std::string> others;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = "rocks/" + entry.path().filename().string();
        const std::uint64_t bytes = entry.is_regular_file() ? entry.file_size(error) : 0;
        const auto found = std::lower_bound(
            files.begin(), files.end(), name,
            [](const SnapshotFile& file, const std::string& wanted) { return file.name < wanted; });
        const bool stays = same_origin && never_changes(name) && found != files.end() &&
                           found->name == name && found->bytes == bytes;
        if (!stays) others.push_back(entry.path().string());
    }
    if (error) return file_error("read folder", folder, error.value());
    for (const std::string& path : others) {
        if (auto status = remove_tree(path); !status) return status;
    }
    return {};
}

}  // namespace

FillFolder::FillFolder(std::string dir) : dir_(std::move(dir)), path_(dir_ + ".fill") {}
FillFolder::~FillFolder() { close_file(); }

core::Result<bool> FillFolder::settle(const std::string& dir) {
    const std::string fill = dir + ".fill", old = dir + ".old";
    if (auto status = remove_tree(give_path(dir)); !status)
        return core::fail(std::move(status.error()));
    const bool filled = file_exists(fill + std::string(kFilled));
    if (filled && file_exists(dir)) {
        auto status = remove_tree(old);
        if (status) status = rename_folder(dir, old);
        if (!status) return core::fail(std::move(status.error()));
    }
    if (filled) {
        auto status = rename_folder(fill, dir);
        if (status) status = sync_parent(dir);
        if (!status) return core::fail(std::move(status.error()));
    }
    // What has just left, or was left by a process that did not come to it.
    if (file_exists(dir)) {
        if (auto status = remove_tree(old); !status) return core::fail(std::move(status.error()));
        (void)::unlink((dir + std::string(kFilled)).c_str());
    }
    return filled;
}

core::Result<std::string> FillFolder::set_aside(const std::string& dir, std::string_view name) {
    const std::string aside = dir + "." + std::string(name);
    if (file_exists(aside))
        return core::fail(core::ErrorCode::kConflict,
                          "store: set aside path=" + dir + " failed: " + aside + " is there");
    auto status = rename_folder(dir, aside);
    if (status) status = sync_parent(dir);
    if (!status) return core::fail(std::move(status.error()));
    return aside;
}

core::Status FillFolder::begin(const Snapshot& snapshot, std::uint64_t reserve_bytes) {
    close_file();
    std::vector<SnapshotFile> files = snapshot.files;
    std::sort(files.begin(), files.end(),
              [](const SnapshotFile& a, const SnapshotFile& b) { return a.name < b.name; });
    for (const SnapshotFile& file : files) {
        if (!is_snapshot_name(file.name))
            return core::fail(core::ErrorCode::kValidation,
                              "store: a snapshot has a file that none has: " + file.name);
    }
    std::string origin;
    const bool same = read_file(path_ + std::string(kOrigin), origin) &&
                      origin == snapshot.origin && !file_exists(path_ + std::string(kFilled));
    if (!same) {
        if (auto status = remove_tree(path_); !status) return status;
    }
    if (auto status = make_folder(path_ + "/rocks"); !status) return status;
    if (auto status = keep_only(path_ + "/rocks", files, same); !status) return status;
    (void)::unlink((path_ + "/FORMAT").c_str());
    if (auto status = write_mark_file(path_ + std::string(kOrigin), snapshot.origin); !status)
        return status;
    here_.clear();
    bytes_ = bytes_all_ = 0;
    for (const SnapshotFile& file : files) {
        here_.push_back(file_exists(path_ + "/" + file.name));
        bytes_all_ += file.bytes;
        bytes_ += here_.back() ? file.bytes : 0;
    }
    bytes_kept_ = bytes_;
    files_ = std::move(files);
    const std::uint64_t free = free_disk_bytes(path_), wanted = bytes_all_ - bytes_;
    if (wanted + reserve_bytes > free)
        return core::fail(core::ErrorCode::kUnavailable,
                          "store: " + std::to_string(wanted >> 20) + " MiB are to come and " +
                              std::to_string(reserve_bytes >> 20) +
                              " MiB to stay free, and on its disk " + std::to_string(free >> 20) +
                              " MiB are");
    next_ = 0;
    return open_next();
}

bool FillFolder::wants(SnapshotFile& file, std::uint64_t& from) const {
    if (next_ >= files_.size()) return false;
    file = files_[next_];
    from = at_;
    return true;
}

core::Status FillFolder::open_next() {
    while (next_ < files_.size() && here_[next_]) ++next_;
    at_ = 0;
    if (next_ >= files_.size()) return {};
    const std::string path = path_ + "/" + files_[next_].name + std::string(kPart);
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd_ < 0) return file_error("create", path, errno);
    return files_[next_].bytes == 0 ? end_file() : core::Status{};
}

core::Status FillFolder::put(std::string_view bytes) {
    const SnapshotFile& file = files_[next_];
    if (bytes.size() > file.bytes - at_)
        return core::fail(core::ErrorCode::kConflict,
                          "store: " + file.name + " has more bytes than was said");
    if (auto status = write_all(fd_, path_ + "/" + file.name, bytes); !status) return status;
    at_ += bytes.size();
    bytes_ += bytes.size();
    return at_ < file.bytes ? core::Status{} : end_file();
}

core::Status FillFolder::end_file() {
    const std::string whole = path_ + "/" + files_[next_].name;
    if (::fdatasync(fd_) != 0) return file_error("sync", whole, errno);
    close_file();
    if (::rename((whole + std::string(kPart)).c_str(), whole.c_str()) != 0)
        return file_error("rename", whole, errno);
    here_[next_++] = true;
    return open_next();
}

void FillFolder::close_file() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

core::Status FillFolder::finish() {
    if (auto status = sync_folder(path_ + "/rocks"); !status) return status;
    // Whoever opens it writes files with numbers of its own.
    (void)::unlink((path_ + std::string(kOrigin)).c_str());
    return sync_folder(path_);
}

core::Status FillFolder::approve() {
    if (auto status = write_mark_file(path_ + std::string(kFilled), "1\n"); !status) return status;
    return sync_folder(path_);
}

}  // namespace millrace::store
