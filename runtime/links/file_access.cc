#include "runtime/links/file_access.h"

#include "core/listed.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

core::Error file_error(std::string_view what, const std::string& path, int code) {
    const auto kind = code == ENOENT ? core::ErrorCode::kNotFound : core::ErrorCode::kInternal;
    return core::Error(kind, std::string(what) + " " + path + " failed: " + std::strerror(code));
}

// Its last part by itself: the folder is looked at first, and links in it are not followed.
std::pair<std::string, std::string> parts_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

void OwnedFd::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

core::Result<FileAccess> FileAccess::make(std::string_view allow) {
    FileAccess out;
    auto folders = core::listed_paths(allow, "links.file_allow");
    if (!folders) return core::fail(std::move(folders.error()));
    out.folders_ = std::move(*folders);
    for (std::string& folder : out.folders_) {
        while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    }
    return out;
}

bool FileAccess::holds(std::string_view path) const {
    return std::any_of(folders_.begin(), folders_.end(), [&](const std::string& folder) {
        return folder == "/" || path == folder ||
               (path.size() > folder.size() && path.starts_with(folder) &&
                path[folder.size()] == '/');
    });
}

core::Status FileAccess::check(std::string_view path) const {
    const bool climbs = path.find("/../") != std::string_view::npos || path.ends_with("/..");
    if (!climbs && holds(path)) return {};
    return core::fail(core::Error(core::ErrorCode::kForbidden,
                                  "config.path: " + std::string(path.substr(0, 256)) +
                                      " lies in no folder that links.file_allow lists")
                          .in("config.path"));
}

core::Result<OwnedFd> FileAccess::open_folder(const std::string& path) const {
    if (auto listed = check(path); !listed) return core::fail(std::move(listed.error()));
    const std::string folder = parts_of(path).first;
    OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return core::fail(file_error("open of the folder", folder, errno));
    // Where it has led, not where it would lead when it is asked again.
    char where[PATH_MAX];
    const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
    const ssize_t bytes = ::readlink(self.c_str(), where, sizeof where);
    if (bytes < 0) return core::fail(file_error("look at", folder, errno));
    const std::string_view real(where, static_cast<std::size_t>(bytes));
    // A folder of the list may be a link itself.
    const bool good = std::any_of(folders_.begin(), folders_.end(), [&](const std::string& one) {
        char* const resolved = ::realpath(one.c_str(), nullptr);
        if (!resolved) return false;
        FileAccess only;
        only.folders_.emplace_back(resolved);
        ::free(resolved);
        return only.holds(real);
    });
    if (good) return fd;
    return core::fail(core::ErrorCode::kForbidden,
                      folder + " leads to " + std::string(real) +
                          ", which lies in no folder that links.file_allow lists");
}

core::Result<OwnedFd> FileAccess::open(const std::string& path, For purpose) const {
    auto folder = open_folder(path);
    if (!folder) return folder;
    const std::string name = parts_of(path).second;
    const int flags = purpose == For::kRead ? O_RDONLY : O_RDWR | O_APPEND | O_CREAT;
    constexpr mode_t kMode = 0640;
    OwnedFd fd(::openat(folder->get(), name.c_str(),
                        flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, kMode));
    if (!fd) return core::fail(file_error("open of", path, errno));
    struct stat about {};
    if (::fstat(fd.get(), &about) != 0) return core::fail(file_error("look at", path, errno));
    if (!S_ISREG(about.st_mode))
        return core::fail(core::ErrorCode::kForbidden, path + " is no regular file");
    return fd;
}

}  // namespace millrace::runtime
