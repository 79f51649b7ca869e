#include "tests/sim/disk.h"

#include "core/assert.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace::sim {

namespace {

// The kernel itself: the hooks stand in front of libc's functions of these names.
int real_open(const char* path, int flags, mode_t mode) {
    return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int real_close(int fd) { return static_cast<int>(::syscall(SYS_close, fd)); }
ssize_t real_write(int fd, const void* from, std::size_t bytes) {
    return ::syscall(SYS_write, fd, from, bytes);
}
ssize_t real_pwrite(int fd, const void* from, std::size_t bytes, off_t at) {
    return ::syscall(SYS_pwrite64, fd, from, bytes, at);
}
int real_truncate(int fd, off_t bytes) {
    return static_cast<int>(::syscall(SYS_ftruncate, fd, bytes));
}
int real_rename(const char* from, const char* to) {
    return static_cast<int>(::syscall(SYS_rename, from, to));
}
int real_link(const char* from, const char* to) {
    return static_cast<int>(::syscall(SYS_link, from, to));
}
int real_unlink(const char* path) { return static_cast<int>(::syscall(SYS_unlink, path)); }

void must(bool done, const char* what, const std::string& path) {
    if (done) return;
    std::fprintf(stderr, "sim: %s %s failed: %s\n", what, path.c_str(), std::strerror(errno));
    std::abort();
}

off_t size_of(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 ? info.st_size : 0;
}

bool exists(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

std::string_view folder_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

std::string without_double_slashes(std::string_view path) {
    std::string out;
    for (const char c : path) {
        if (c != '/' || out.empty() || out.back() != '/') out += c;
    }
    if (out.size() > 1 && out.back() == '/') out.pop_back();
    return out;
}

}  // namespace

Disk& Disk::instance() {
    static Disk* const disk = new Disk;  // never destroyed: hooks run until the process is gone
    return *disk;
}

void Disk::mount(std::string folder, std::uint64_t seed) {
    std::lock_guard lock(mutex_);
    folder_ = std::move(folder);
    trash_folder_ = folder_ + ".trash";
    must(::mkdir(trash_folder_.c_str(), 0700) == 0 || errno == EEXIST, "mkdir", trash_folder_);
    seed_ = seed;
    core::Random random(seed ^ 0xd15c);
    // What a folder's sync is needed for differs between file systems: both kinds are tried.
    strict_folders_ = random.below(2) == 0;
    operations_ = cut_at_ = sync_left_ = write_left_ = lost_writes_ = restarts_ = 0;
    frozen_ = failed_ = false;
    mounted_ = true;
}

void Disk::unmount() {
    std::lock_guard lock(mutex_);
    mounted_ = false;
    files_.clear();
    removed_.clear();
    entries_.clear();
    std::fill(open_.begin(), open_.end(), nullptr);
}

void Disk::cut_power_after(std::uint64_t operations) {
    std::lock_guard lock(mutex_);
    cut_at_ = operations == 0 ? 0 : operations_ + operations;
}

void Disk::fail_sync_after(std::uint64_t syncs, std::string suffix, int error) {
    std::lock_guard lock(mutex_);
    sync_left_ = syncs;
    sync_suffix_ = std::move(suffix);
    sync_error_ = error;
}

void Disk::fail_write_after(std::uint64_t writes, std::string suffix) {
    std::lock_guard lock(mutex_);
    write_left_ = writes;
    write_suffix_ = std::move(suffix);
}

bool Disk::ours(std::string_view path) const {
    return mounted_ && path.starts_with(folder_) &&
           (path.size() == folder_.size() || path[folder_.size()] == '/');
}

Disk::File& Disk::file_at(const std::string& path) {
    auto& file = files_[path];
    if (!file) {
        file = std::make_unique<File>();
        file->path = path;
    }
    return *file;
}

// True when the power goes with this very operation.
bool Disk::count_operation(std::string_view path) {
    // RocksDB's own log is flushed by the real clock, and its old ones are named by it.
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (name.starts_with("LOG")) return false;
    ++operations_;
    if (cut_at_ == 0 || operations_ < cut_at_) return false;
    cut_at_ = 0;
    frozen_ = true;
    return true;
}

std::uint64_t Disk::draw(std::string_view path, std::uint64_t bound) {
    // By name, not by order: how many files there are changes no other file's fate.
    const std::string_view name = path.substr(folder_.size());
    core::Random random(seed_ ^ (restarts_ * 0x9e3779b97f4a7c15ULL) ^
                        std::hash<std::string_view>()(name));
    return random.below(bound);
}

int Disk::open(const char* text, int flags, mode_t mode) {
    std::lock_guard lock(mutex_);
    const std::string path = without_double_slashes(text);
    if (!ours(path)) return real_open(text, flags, mode);
    const bool creates = (flags & O_CREAT) != 0 && !exists(path);
    if (frozen_ && creates) return real_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
    if (creates && count_operation(path)) return real_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
    const bool empties = (flags & O_TRUNC) != 0 && !creates && !frozen_;
    const int fd = real_open(text, flags & ~O_TRUNC, mode);
    if (fd < 0) return fd;
    MR_ASSERT(fd < kDescriptorsMax);
    File& file = file_at(path);
    struct stat info {};
    file.folder = ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
    if (creates) {
        file.changes.clear();
        file.sync_failed = false;
        entries_.push_back({EntryKind::kCreate, path, {}, {}});
    }
    if (empties && !count_operation(path)) set_size(file, fd, 0);
    open_[fd] = &file;
    return fd;
}

void Disk::opened_stream(int fd, const char* text, bool created) {
    std::lock_guard lock(mutex_);
    const std::string path = without_double_slashes(text);
    // RocksDB's own text log is nobody's data.
    if (!ours(path) || path.ends_with("/LOG") || fd >= kDescriptorsMax) return;
    File& file = file_at(path);
    file.stream = true;
    file.synced_size = 0;
    if (created) entries_.push_back({EntryKind::kCreate, path, {}, {}});
    open_[fd] = &file;
}

int Disk::close(int fd) {
    {
        std::lock_guard lock(mutex_);
        if (fd >= 0 && fd < kDescriptorsMax) open_[fd] = nullptr;
    }
    return real_close(fd);
}

ssize_t Disk::write(int fd, const void* from, std::size_t bytes) {
    std::unique_lock lock(mutex_);
    File* file = file_of(fd);
    if (!file || !mounted_) {
        lock.unlock();  // it may wait long: a pipe, a terminal
        return real_write(fd, from, bytes);
    }
    return put(*file, fd, from, bytes, ::lseek(fd, 0, SEEK_CUR), true);
}

ssize_t Disk::pwrite(int fd, const void* from, std::size_t bytes, off_t at) {
    std::unique_lock lock(mutex_);
    File* file = file_of(fd);
    if (!file || !mounted_) {
        lock.unlock();
        return real_pwrite(fd, from, bytes, at);
    }
    return put(*file, fd, from, bytes, at, false);
}

ssize_t Disk::put(File& file, int fd, const void* from, std::size_t bytes, off_t at, bool moves) {
    const auto all = static_cast<ssize_t>(bytes);
    if (frozen_ || file.stream) return frozen_ ? all : real_write(fd, from, bytes);
    // The power may go in the middle of a write: a part of it is there.
    const bool last = count_operation(file.path);
    if (last) bytes = static_cast<std::size_t>(draw(file.path, bytes + 1));
    if (write_left_ != 0 && file.path.ends_with(write_suffix_) && --write_left_ == 0) {
        failed_ = true;
        errno = EIO;
        return -1;
    }
    Change change;
    change.at = at;
    change.new_bytes = bytes;
    change.old_size = size_of(fd);
    if (at < change.old_size) {
        change.old_bytes.resize(std::min(bytes, static_cast<std::size_t>(change.old_size - at)));
        const int reader = real_open(file.path.c_str(), O_RDONLY | O_CLOEXEC, 0);
        must(::pread(reader, change.old_bytes.data(), change.old_bytes.size(), at) ==
                 static_cast<ssize_t>(change.old_bytes.size()),
             "read", file.path);
        real_close(reader);
    }
    must(real_pwrite(fd, from, bytes, at) == static_cast<ssize_t>(bytes), "write", file.path);
    if (moves) ::lseek(fd, at + static_cast<off_t>(bytes), SEEK_SET);
    file.changes.push_back(std::move(change));
    return all;
}

int Disk::truncate(int fd, off_t bytes) {
    std::lock_guard lock(mutex_);
    File* file = file_of(fd);
    if (!file || !mounted_ || file->stream) return real_truncate(fd, bytes);
    if (!frozen_ && !count_operation(file->path)) set_size(*file, fd, bytes);
    return 0;
}

void Disk::set_size(File& file, int fd, off_t bytes) {
    Change change;
    change.at = bytes;
    change.old_size = size_of(fd);
    if (bytes < change.old_size) {
        change.old_bytes.resize(static_cast<std::size_t>(change.old_size - bytes));
        const int reader = real_open(file.path.c_str(), O_RDONLY | O_CLOEXEC, 0);
        must(::pread(reader, change.old_bytes.data(), change.old_bytes.size(), bytes) ==
                 static_cast<ssize_t>(change.old_bytes.size()),
             "read", file.path);
        real_close(reader);
    }
    file.changes.push_back(std::move(change));
    must(real_truncate(fd, bytes) == 0, "truncate", file.path);
}

// Clean pages leave the page cache; after a failed sync they are not what is on the disk.
void Disk::drop_cache(int fd) {
    std::lock_guard lock(mutex_);
    File* file = file_of(fd);
    if (!file || !mounted_ || frozen_ || !file->sync_failed) return;
    lose_writes(*file);
    file->sync_failed = false;
}

// No real sync: the scratch folder need not survive the machine.
int Disk::sync(int fd, bool data_only) {
    std::lock_guard lock(mutex_);
    File* file = file_of(fd);
    if (!file || !mounted_) {
        return static_cast<int>(::syscall(data_only ? SYS_fdatasync : SYS_fsync, fd));
    }
    if (frozen_) return 0;
    // The power may go before the sync took effect, or behind it.
    if (count_operation(file->path) && draw(file->path, 2) == 0) return 0;
    if (sync_left_ != 0 && file->path.ends_with(sync_suffix_) && --sync_left_ == 0) {
        failed_ = true;
        file->sync_failed = true;
        errno = sync_error_;
        return -1;
    }
    if (file->folder) {
        commit_entries(file->path);
        return 0;
    }
    if (!strict_folders_) commit_entries("");
    if (file->sync_failed) return 0;
    if (file->stream) file->synced_size = size_of(fd);
    file->changes.clear();
    return 0;
}

std::string Disk::move_to_trash(const std::string& path) {
    std::string trash = trash_folder_ + "/" + std::to_string(++trash_serial_);
    must(real_rename(path.c_str(), trash.c_str()) == 0, "set aside", path);
    const auto found = files_.find(path);
    if (found != files_.end()) {
        found->second->path = trash;
        removed_.push_back(std::move(found->second));
        files_.erase(found);
    }
    return trash;
}

int Disk::rename(const char* from_text, const char* to_text) {
    std::lock_guard lock(mutex_);
    const std::string from = without_double_slashes(from_text);
    const std::string to = without_double_slashes(to_text);
    if (!ours(from) || from.ends_with("/LOG")) return real_rename(from_text, to_text);
    if (frozen_ || count_operation(from)) return 0;
    Entry entry{EntryKind::kRename, to, from, {}};
    if (exists(to)) entry.trash = move_to_trash(to);
    const int result = real_rename(from.c_str(), to.c_str());
    if (result != 0) {
        if (!entry.trash.empty()) real_rename(entry.trash.c_str(), to.c_str());
        return result;
    }
    auto node = files_.extract(from);
    if (!node.empty()) {
        node.key() = to;
        node.mapped()->path = to;
        files_.insert(std::move(node));
    }
    entries_.push_back(std::move(entry));
    return 0;
}

int Disk::link(const char* from, const char* to) {
    std::lock_guard lock(mutex_);
    const std::string path = without_double_slashes(to);
    if (!ours(path)) return real_link(from, to);
    if (frozen_ || count_operation(path)) return 0;
    const int result = real_link(from, to);
    if (result == 0) entries_.push_back({EntryKind::kCreate, path, {}, {}});
    return result;
}

int Disk::unlink(const char* text) {
    std::lock_guard lock(mutex_);
    const std::string path = without_double_slashes(text);
    if (!ours(path)) return real_unlink(text);
    if (frozen_ || count_operation(path)) return 0;
    if (!exists(path)) return real_unlink(text);
    entries_.push_back({EntryKind::kUnlink, path, {}, move_to_trash(path)});
    return 0;
}

bool Disk::free_bytes(const char* text, std::uint64_t& bytes) const {
    std::lock_guard lock(mutex_);
    if (!ours(without_double_slashes(text))) return false;
    bytes = free_bytes_;
    return true;
}

void Disk::commit_entries(std::string_view folder) {
    std::erase_if(entries_, [&](const Entry& entry) {
        if (!folder.empty() && folder_of(entry.path) != folder) return false;
        if (!entry.trash.empty()) real_unlink(entry.trash.c_str());
        return true;
    });
}

void Disk::undo(const Entry& entry) {
    switch (entry.kind) {
        case EntryKind::kCreate:
            real_unlink(entry.path.c_str());
            files_.erase(entry.path);
            return;
        case EntryKind::kRename: {
            must(real_rename(entry.path.c_str(), entry.from.c_str()) == 0, "undo rename",
                 entry.path);
            auto node = files_.extract(entry.path);
            if (!node.empty()) {
                node.key() = entry.from;
                node.mapped()->path = entry.from;
                files_.insert(std::move(node));
            }
            if (!entry.trash.empty())
                must(real_rename(entry.trash.c_str(), entry.path.c_str()) == 0, "undo rename",
                     entry.path);
            break;
        }
        case EntryKind::kUnlink:
            must(real_rename(entry.trash.c_str(), entry.path.c_str()) == 0, "undo removal",
                 entry.path);
            break;
    }
    for (auto& file : removed_) {
        if (!file || file->path != entry.trash) continue;
        file->path = entry.path;
        files_[entry.path] = std::move(file);
    }
}

void Disk::undo_entries() {
    if (entries_.empty()) return;
    std::size_t kept = static_cast<std::size_t>(draw(folder_, entries_.size() + 1));
    while (entries_.size() > kept) {
        undo(entries_.back());
        entries_.pop_back();
    }
    commit_entries("");
}

// What was not synced is lost from a point on; the write at that point may be torn.
void Disk::lose_writes(File& file) {
    if (file.stream || file.changes.empty()) return;
    const int fd = real_open(file.path.c_str(), O_RDWR | O_CLOEXEC, 0);
    must(fd >= 0, "open", file.path);
    const auto kept = static_cast<std::size_t>(draw(file.path, file.changes.size() + 1));
    lost_writes_ += file.changes.size() - kept;
    std::string torn;
    off_t torn_at = 0;
    for (std::size_t i = file.changes.size(); i-- > kept;) {
        const Change& change = file.changes[i];
        if (i == kept && change.new_bytes > 0) {
            torn.resize(static_cast<std::size_t>(draw(file.path + "~", change.new_bytes)));
            torn_at = change.at;
            const ssize_t got = ::pread(fd, torn.data(), torn.size(), torn_at);
            torn.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        }
        must(real_truncate(fd, change.old_size) == 0, "truncate", file.path);
        must(real_pwrite(fd, change.old_bytes.data(), change.old_bytes.size(), change.at) ==
                 static_cast<ssize_t>(change.old_bytes.size()),
             "restore", file.path);
    }
    real_pwrite(fd, torn.data(), torn.size(), torn_at);
    real_close(fd);
    file.changes.clear();
}

void Disk::restart() {
    std::lock_guard lock(mutex_);
    ++restarts_;
    undo_entries();
    for (auto& [path, file] : files_) {
        file->sync_failed = false;
        if (!exists(path)) continue;
        if (file->stream) {
            // Everything, or up to what was synced.
            struct stat info {};
            if (::stat(path.c_str(), &info) == 0 && info.st_size > file->synced_size &&
                draw(path, 2) == 0) {
                const int fd = real_open(path.c_str(), O_RDWR | O_CLOEXEC, 0);
                real_truncate(fd, file->synced_size);
                real_close(fd);
            }
            continue;
        }
        lose_writes(*file);
    }
    files_.clear();
    removed_.clear();
    close_all();
}

void Disk::end_process() {
    std::lock_guard lock(mutex_);
    close_all();
}

void Disk::close_all() {
    std::fill(open_.begin(), open_.end(), nullptr);
    frozen_ = failed_ = false;
    cut_at_ = sync_left_ = write_left_ = 0;
}

}  // namespace millrace::sim
