#include "store/retention/space_guard.h"

#include "store/file_util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::store {

SpaceGuard::SpaceGuard(Options options)
    : options_(std::move(options)),
      ballast_path_(options_.folder + "/ballast"),
      ballast_there_(file_exists(ballast_path_)) {
    check(0);
}

void SpaceGuard::check(std::uint64_t unflushed_bytes) {
    const std::uint64_t needed =
        options_.reserve_bytes == 0 ? 0 : needed_bytes(options_.reserve_bytes, unflushed_bytes);
    needed_bytes_.store(needed, std::memory_order_relaxed);  // a gauge
    const std::uint64_t free = free_disk_bytes(options_.folder);
    free_bytes_.store(free, std::memory_order_relaxed);  // a gauge
    const bool enough = free >= needed;
    accepting_.store(enough, std::memory_order_relaxed);  // a hint; no data behind it
    if (!enough && ballast_there_) {
        drop_ballast();
        free_bytes_.store(free_disk_bytes(options_.folder), std::memory_order_relaxed);  // a gauge
    }
    // Made again only when its own size and as much again are to spare: no flapping at the mark.
    if (enough && !ballast_there_ && free >= needed + 2 * options_.ballast_bytes) make_ballast();
}

void SpaceGuard::make_ballast() {
    if (options_.ballast_bytes == 0) return;
    const int fd = ::open(ballast_path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return;
    const bool made = ::posix_fallocate(fd, 0, static_cast<off_t>(options_.ballast_bytes)) == 0;
    ::close(fd);
    ballast_there_ = made;
    if (!made) ::unlink(ballast_path_.c_str());
}

void SpaceGuard::drop_ballast() {
    ::unlink(ballast_path_.c_str());
    ballast_there_ = false;
}

}  // namespace millrace::store
