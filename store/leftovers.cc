#include "store/leftovers.h"

#include "store/file_util.h"

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::store {

namespace {

namespace fs = std::filesystem;

// What is read at a start and may not have been synced. Tables and blobs were, before the manifest
// named them; what no manifest names is removed.
bool may_be_unsynced(std::string_view name) {
    return name.ends_with(".log") || name.starts_with("MANIFEST-") || name == "CURRENT";
}

core::Status sync_file(const std::string& path, PageCache cache) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? core::Status{} : file_error("open", path, errno);
    int error = ::fdatasync(fd) == 0 ? 0 : errno;
    // Clean pages leave the cache: what is read from now on is what the disk has.
    if (error == 0 && cache == PageCache::kNotOnTheDisk)
        error = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
    return error == 0 ? core::Status{} : file_error("sync", path, error);
}

}  // namespace

core::Status sync_leftovers(const std::string& folder, PageCache cache) {
    std::vector<std::string> files = {folder + "/FORMAT", folder + "/hwm"};
    const std::string rocks = folder + "/rocks";
    const bool has_rocks = file_exists(rocks);
    std::error_code error;
    for (auto entry = has_rocks ? fs::directory_iterator(rocks, error) : fs::directory_iterator();
         !error && entry != fs::directory_iterator(); entry.increment(error)) {
        if (may_be_unsynced(entry->path().filename().native())) files.push_back(entry->path());
    }
    if (error) return file_error("read folder", rocks, error.value());
    for (const std::string& path : files) {
        if (auto status = sync_file(path, cache); !status) return status;
    }
    if (has_rocks) {
        if (auto status = sync_folder(rocks); !status) return status;
    }
    if (auto status = sync_folder(folder); !status) return status;
    // It may be somebody else's, not to be read by us.
    const std::string parent = folder + "/..";
    return ::access(parent.c_str(), R_OK) == 0 ? sync_folder(parent) : core::Status{};
}

}  // namespace millrace::store
