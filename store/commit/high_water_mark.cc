#include "store/commit/high_water_mark.h"

#include "core/fault.h"
#include "store/commit/crc32c.h"
#include "store/file_util.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::store {
namespace {

constexpr std::uint64_t kMarkMagic = 0x6b72616d7265746dULL;
constexpr off_t kSlotBytes = 4096;

std::uint32_t slot_crc(const MarkSlot& slot) {
    const std::size_t covered = offsetof(MarkSlot, crc32c) + sizeof(slot.crc32c);
    return crc32c({reinterpret_cast<const char*>(&slot) + covered, sizeof(slot) - covered});
}

bool slot_valid(const MarkSlot& slot) {
    return slot.magic == kMarkMagic && slot.version == 1 && slot.shards <= core::kShardsMax &&
           slot.crc32c == slot_crc(slot);
}

}  // namespace

core::Result<std::unique_ptr<HighWaterMark>> HighWaterMark::open(const std::string& path,
                                                                 bool read_only) {
    std::unique_ptr<HighWaterMark> mark(new HighWaterMark);
    mark->path_ = path;
    mark->fd_ = ::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0640);
    if (mark->fd_ < 0) return file_error("open high-water mark", path, errno);
    struct stat info {};
    if (::fstat(mark->fd_, &info) != 0) return file_error("stat high-water mark", path, errno);
    for (int i = 0; i < 2; ++i) {
        MarkSlot slot;
        const ssize_t got = ::pread(mark->fd_, &slot, sizeof(slot), i * kSlotBytes);
        if (got != static_cast<ssize_t>(sizeof(slot)) || !slot_valid(slot)) continue;
        if (!mark->loaded_ || slot.generation > mark->loaded_->generation) mark->loaded_ = slot;
    }
    mark->damaged_ = info.st_size > 0 && !mark->loaded_;
    if (mark->loaded_) mark->generation_ = mark->loaded_->generation;
    return mark;
}

std::size_t HighWaterMark::shards_in(const std::string& path) {
    const auto mark = open(path, true);
    if (!mark || !(*mark)->loaded()) return 0;
    const MarkSlot& slot = *(*mark)->loaded();
    const bool events = std::any_of(slot.tails.begin(), slot.tails.end(),
                                    [](const ShardTail& tail) { return tail.blocks > 0; });
    return events ? slot.shards : 0;
}

HighWaterMark::~HighWaterMark() {
    if (fd_ >= 0) ::close(fd_);
}

core::Status HighWaterMark::write(const std::array<ShardTail, core::kShardsMax>& tails,
                                  std::uint32_t shards) {
    MarkSlot slot;
    slot.magic = kMarkMagic;
    slot.generation = ++generation_;
    slot.shards = shards;
    slot.tails = tails;
    slot.crc32c = slot_crc(slot);
    const off_t at = static_cast<off_t>(generation_ % 2) * kSlotBytes;
    const ssize_t put = ::pwrite(fd_, &slot, sizeof(slot), at);
    if (put != static_cast<ssize_t>(sizeof(slot)))
        return file_error("write high-water mark", path_, put < 0 ? errno : EIO);
    core::pass_fault_point(core::FaultPoint::kMarkWritten);
    if (::fdatasync(fd_) != 0) return file_error("sync high-water mark", path_, errno);
    return {};
}

}  // namespace millrace::store
