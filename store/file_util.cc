#include "store/file_util.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace millrace::store {

tl::unexpected<core::Error> file_error(std::string_view operation, const std::string& path,
                                       int error_number) {
    return core::fail(core::ErrorCode::kInternal, "store: " + std::string(operation) +
                                                      " path=" + path +
                                                      " failed: " + std::strerror(error_number));
}

core::Status make_folder(const std::string& path) {
    if (path.empty() || file_exists(path)) return {};
    const std::string parent = std::filesystem::path(path).parent_path().string();
    if (auto status = make_folder(parent); !status) return status;
    std::error_code error;
    std::filesystem::create_directory(path, error);
    if (error) return file_error("create folder", path, error.value());
    return sync_folder(parent.empty() ? "." : parent);
}

core::Status sync_folder(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return file_error("open folder", path, errno);
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (result != 0) return file_error("sync folder", path, error);
    return {};
}

core::Status read_file(const std::string& path, std::string& out) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return file_error("open", path, errno);
    out.clear();
    char bytes[4096];
    for (;;) {
        const ssize_t got = ::read(fd, bytes, sizeof(bytes));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            const int error = errno;
            ::close(fd);
            return file_error("read", path, error);
        }
        if (got == 0) break;
        out.append(bytes, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return {};
}

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::uint64_t free_disk_bytes(const std::string& folder) {
    struct statvfs info {};
    if (::statvfs(folder.c_str(), &info) != 0) return 0;
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace millrace::store
