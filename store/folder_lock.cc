#include "store/folder_lock.h"

#include "store/file_util.h"

#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace millrace::store {

namespace {

constexpr std::string_view kSyncFailed = " sync failed";

}  // namespace

FolderLock::~FolderLock() {
    // Empty is the mark of a clean end, unless the next process has to know of a failed sync.
    if (owned_ && !sync_failed_.load(std::memory_order_relaxed))
        static_cast<void>(!::ftruncate(fd_, 0));
    if (fd_ >= 0) ::close(fd_);
}

core::Status FolderLock::take(const std::string& folder, bool read_only) {
    path_ = folder + "/lock";
    // A backup has no lock file, and reading makes none; but nobody reads beside a running server:
    // its files change meanwhile.
    if (read_only && !file_exists(path_)) return {};
    fd_ = read_only ? ::open(path_.c_str(), O_RDONLY | O_CLOEXEC)
                    : ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd_ < 0) return file_error("open lock file", path_, errno);
    const bool locked = ::flock(fd_, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0;
    char bytes[64];
    const ssize_t got = ::pread(fd_, bytes, sizeof(bytes), 0);
    const std::string_view text(bytes, got > 0 ? static_cast<std::size_t>(got) : 0);
    if (!locked) {
        return core::fail(core::ErrorCode::kUnavailable,
                          "store: open data folder path=" + folder +
                              " failed: it is locked by process " +
                              std::string(text.substr(0, text.find(' '))) +
                              "; stop that server or choose another --data");
    }
    sync_failed_before_ = text.ends_with(kSyncFailed);
    sync_failed_.store(sync_failed_before_, std::memory_order_relaxed);
    owned_ = !read_only;
    left_by_ = text.substr(0, text.find(' '));
    return read_only ? core::Status{} : write(sync_failed_before_ ? kSyncFailed : "");
}

core::Status FolderLock::settled() {
    sync_failed_before_ = false;
    sync_failed_.store(false, std::memory_order_relaxed);
    return write("");
}

void FolderLock::note_sync_failed() {
    sync_failed_.store(true, std::memory_order_relaxed);  // read when all threads are gone
    if (fd_ >= 0) static_cast<void>(write(kSyncFailed).has_value());
}

// In place: a full disk has room for it, since the block is there.
core::Status FolderLock::write(std::string_view word) const {
    const std::string text = std::to_string(::getpid()) + std::string(word);
    const auto bytes = static_cast<ssize_t>(text.size());
    if (::pwrite(fd_, text.data(), text.size(), 0) != bytes || ::ftruncate(fd_, bytes) != 0)
        return file_error("write lock file", path_, errno);
    return {};
}

}  // namespace millrace::store
