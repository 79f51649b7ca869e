// What: a small file outside RocksDB that says how far each shard's log had reached on the disk.
//       The database library does not notice when a WAL file vanishes (measured); this does. Two
//       slots of 4096 bytes, written in turn and synced: a torn write spoils one, the other still
//       counts.
// Threads: one at a time. Lifetime: closes its file. Limits: core::kShardsMax shards.
// Failure: Errors with path and cause.
#pragma once

#include "core/limits.h"
#include "core/result.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace millrace::store {

// How far one shard's log reaches.
struct ShardTail {
    std::uint64_t blocks = 0;  // sequence of the next block
    std::uint64_t end_offset = 0;
    std::uint64_t last_first_offset = 0;
    std::uint64_t last_hash = 0;  // of the last block's value; 0 when there is none
    constexpr bool operator==(const ShardTail&) const = default;
};

struct MarkSlot {
    std::uint64_t magic = 0;
    std::uint32_t version = 1;
    std::uint32_t crc32c = 0;  // of every byte behind this field
    std::uint64_t generation = 0;
    std::uint32_t shards = 0;
    std::uint32_t spare = 0;
    std::array<ShardTail, core::kShardsMax> tails{};
};
static_assert(sizeof(MarkSlot) <= 4096);

class HighWaterMark {
public:
    // Makes the file when it is not there; loaded() is then empty.
    static core::Result<std::unique_ptr<HighWaterMark>> open(const std::string& path,
                                                             bool read_only);
    // The number of shards of the log that the file speaks of; 0: no file, or no events yet.
    static std::size_t shards_in(const std::string& path);
    ~HighWaterMark();
    HighWaterMark(const HighWaterMark&) = delete;
    HighWaterMark& operator=(const HighWaterMark&) = delete;

    // The newest valid slot found at open(); empty when the file was new.
    const std::optional<MarkSlot>& loaded() const { return loaded_; }
    // True when the file was there but neither slot can be trusted.
    bool damaged() const { return damaged_; }
    // Writes the next slot and syncs it.
    core::Status write(const std::array<ShardTail, core::kShardsMax>& tails, std::uint32_t shards);

private:
    HighWaterMark() = default;
    std::string path_;
    int fd_ = -1;
    std::uint64_t generation_ = 0;
    std::optional<MarkSlot> loaded_;
    bool damaged_ = false;
};

}  // namespace millrace::store
