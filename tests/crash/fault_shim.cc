// A library for LD_PRELOAD that makes the disk of one server fail while PATH exists:
//     FAULT_SYNC=PATH   fdatasync() and fsync() of *.log (RocksDB's WAL) fail with EIO
//     FAULT_SYNC_FULL=PATH   the same with ENOSPC
//     FAULT_WRITE=PATH  write() to *.log fails with ENOSPC
//     FAULT_STALL=PATH  write() to *.log waits
//     FAULT_FLUSH=PATH  write() to *.sst waits: what is in memory stays there
//     FAULT_HOLD=PATH   fsync() of a file named FORMAT waits: a backup under way stands still
//     FAULT_FREE=PATH   statvfs() says that as many bytes are free as the number in PATH
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <dlfcn.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

bool armed(const char* name) {
    const char* path = std::getenv(name);
    return path != nullptr && ::access(path, F_OK) == 0;
}

bool is_named(int fd, std::string_view ending) {
    char link[64];
    char path[4096];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t bytes = ::readlink(link, path, sizeof path);
    return bytes > 0 && std::string_view(path, static_cast<std::size_t>(bytes)).ends_with(ending);
}

bool is_wal(int fd) { return is_named(fd, ".log"); }

int sync_call(int fd, long number) {
    while (armed("FAULT_HOLD") && is_named(fd, "/FORMAT")) ::usleep(5000);
    if (armed("FAULT_SYNC") && is_wal(fd)) {
        errno = EIO;
        return -1;
    }
    if (armed("FAULT_SYNC_FULL") && is_wal(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return static_cast<int>(::syscall(number, fd));
}

}  // namespace

extern "C" {

int fdatasync(int fd) { return sync_call(fd, SYS_fdatasync); }
int fsync(int fd) { return sync_call(fd, SYS_fsync); }

ssize_t write(int fd, const void* from, size_t bytes) {
    while (armed("FAULT_STALL") && is_wal(fd)) ::usleep(5000);
    while (armed("FAULT_FLUSH") && is_named(fd, ".sst")) ::usleep(5000);
    if (armed("FAULT_WRITE") && is_wal(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return ::syscall(SYS_write, fd, from, bytes);
}

int statvfs(const char* path, struct statvfs* out) noexcept {
    static const auto real =
        reinterpret_cast<int (*)(const char*, struct statvfs*)>(::dlsym(RTLD_NEXT, "statvfs"));
    const int result = real(path, out);
    const char* wish = std::getenv("FAULT_FREE");
    if (result != 0 || wish == nullptr) return result;
    if (FILE* file = std::fopen(wish, "re")) {
        unsigned long long bytes = 0;
        if (std::fscanf(file, "%llu", &bytes) == 1 && out->f_frsize != 0)
            out->f_bavail = bytes / out->f_frsize;
        std::fclose(file);
    }
    return result;
}

}  // extern "C"
