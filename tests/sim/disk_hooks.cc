// The system calls of everything in this process, RocksDB's shared library too: the linker finds
// these names before libc's. Calls that do not concern the simulated disk go straight on.
#include "tests/sim/disk.h"

#include <cstdarg>
#include <cstdio>
#include <string_view>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifdef __USE_FILE_OFFSET64
#error "open and pwrite would be open64 and pwrite64 here, and RocksDB's calls go past them"
#endif

using millrace::sim::Disk;

extern "C" {

int open(const char* path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return Disk::instance().open(path, flags, mode);
}

int close(int fd) { return Disk::instance().close(fd); }

ssize_t write(int fd, const void* from, size_t bytes) {
    return Disk::instance().write(fd, from, bytes);
}

ssize_t pwrite(int fd, const void* from, size_t bytes, off_t at) {
    return Disk::instance().pwrite(fd, from, bytes, at);
}

int fsync(int fd) { return Disk::instance().sync(fd, false); }
int fdatasync(int fd) { return Disk::instance().sync(fd, true); }
// A hint to begin writing: promises nothing.
int sync_file_range(int, off64_t, off64_t, unsigned int) { return 0; }
int posix_fadvise(int fd, off_t, off_t, int advice) noexcept {
    if (advice == POSIX_FADV_DONTNEED) Disk::instance().drop_cache(fd);
    return 0;
}
int ftruncate(int fd, off_t bytes) noexcept { return Disk::instance().truncate(fd, bytes); }
int rename(const char* from, const char* to) noexcept { return Disk::instance().rename(from, to); }
int link(const char* from, const char* to) noexcept { return Disk::instance().link(from, to); }
int unlink(const char* path) noexcept { return Disk::instance().unlink(path); }

FILE* fopen(const char* path, const char* mode) {
    static const auto real =
        reinterpret_cast<FILE* (*)(const char*, const char*)>(::dlsym(RTLD_NEXT, "fopen"));
    const bool writes = std::string_view(mode).find_first_of("wa+") != std::string_view::npos;
    struct stat info {};
    const bool created = writes && ::stat(path, &info) != 0;
    FILE* file = real(path, mode);
    if (file && writes) Disk::instance().opened_stream(::fileno(file), path, created);
    return file;
}

int statvfs(const char* path, struct statvfs* out) noexcept {
    static const auto real =
        reinterpret_cast<int (*)(const char*, struct statvfs*)>(::dlsym(RTLD_NEXT, "statvfs"));
    const int result = real(path, out);
    std::uint64_t bytes = 0;
    if (result == 0 && Disk::instance().free_bytes(path, bytes))
        out->f_bavail = out->f_frsize == 0 ? 0 : bytes / out->f_frsize;
    return result;
}

}  // extern "C"
