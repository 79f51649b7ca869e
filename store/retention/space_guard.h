// What: keeps RocksDB from ever meeting a full disk. Ingest is refused while less than the reserve
//       is free, or less than what is in memory takes to be flushed, whatever the reserve says;
//       then the ballast file is given up, so that compaction and retention have room to work; it
//       is made again when there is plenty. Deliveries and background work go on and may fill the
//       rest: below kFreeBytesMin the store has to end (full()), as it would not start there.
// Threads: check() by the housekeeper; accepting() and free_bytes() by any.
// Lifetime: of the Database. Limits: none.
// Failure: a statvfs that fails counts as "no space": ingest is refused.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

namespace millrace::store {

class SpaceGuard {
public:
    // Below this RocksDB could not even replay its WAL. The reserve has to be larger.
    static constexpr std::uint64_t kFreeBytesMin = 32u << 20;
    // Between two looks, and in units that were taken before.
    static constexpr std::uint64_t kOnItsWayBytes = 8u << 20;

    struct Options {
        std::string folder;
        std::uint64_t reserve_bytes = 0;
        std::uint64_t ballast_bytes = 0;
    };
    explicit SpaceGuard(Options options);

    // The edge asks this before it takes an event: false means 503 with Retry-After.
    bool accepting() const {
        return accepting_.load(std::memory_order_relaxed);
    }  // a hint; no data behind it
    std::uint64_t free_bytes() const { return free_bytes_.load(std::memory_order_relaxed); }
    // What is free when events are taken: the reserve, or what a flush needs where that is more.
    std::uint64_t reserve_bytes() const { return needed_bytes_.load(std::memory_order_relaxed); }
    bool full() const { return free_bytes() < kFreeBytesMin; }
    // `unflushed_bytes`: what RocksDB has in memory and will write beside what is there. Its WAL
    // goes only afterwards.
    void check(std::uint64_t unflushed_bytes);
    // Pure. A flush writes no more than it has, and its tables' indexes; meanwhile what was on its
    // way still comes.
    static std::uint64_t needed_bytes(std::uint64_t reserve_bytes, std::uint64_t unflushed_bytes) {
        return std::max(reserve_bytes,
                        kFreeBytesMin + kOnItsWayBytes + unflushed_bytes + unflushed_bytes / 8);
    }

private:
    void make_ballast();
    void drop_ballast();

    const Options options_;
    const std::string ballast_path_;
    std::atomic<bool> accepting_{true};
    std::atomic<std::uint64_t> free_bytes_{0};
    std::atomic<std::uint64_t> needed_bytes_{0};
    bool ballast_there_ = false;
};

}  // namespace millrace::store
