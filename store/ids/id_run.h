// What: the identities of a range of offsets of one shard as an immutable sorted file, mapped, with
//       a filter of whole identities in memory. A run is derived from the log: one that is
//       damaged or of another version is set aside and made anew. File: RunHeader in a page of 4096
//       bytes; pages of {170 x RunEntry in order of (order(), by_source), crc32c of them, count};
//       the filter.
// Threads: reading: any, at once. RunWriter: one owner.
// Lifetime: the mapping lives as long as the IdRun.
// Limits: none. Failure: open() refuses a file whose header or filter is damaged; a damaged page is
//       told by find() and never guessed over.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/ids/hasher.h"
#include "store/ids/run_filter.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

// Which other shards keep some of the identities, those of events that had to ask: a bit a keeper
// (keeper_bit), and kKeepersKnown. Without that one it was written before there were keepers.
using KeeperBits = std::uint32_t;
inline constexpr KeeperBits kKeepersKnown = 1u << 31;
constexpr KeeperBits keeper_bit(core::ShardId keeper) { return 1u << (keeper.value % 31); }
constexpr bool may_hold_of(KeeperBits bits, core::ShardId keeper) {
    return (bits & kKeepersKnown) == 0 || (bits & keeper_bit(keeper)) != 0;
}

struct RunEntry {
    IdHash id;
    std::uint64_t offset = 0;
};
static_assert(sizeof(RunEntry) == 24);

// The order of a run's entries.
inline bool in_run_order(const IdHash& a, const IdHash& b) {
    return a.by_id != b.by_id ? a.order() < b.order() : a.by_source < b.by_source;
}
inline bool in_run_order(const RunEntry& a, const RunEntry& b) {
    return a.id != b.id ? in_run_order(a.id, b.id) : a.offset < b.offset;
}

struct RunHeader {
    std::uint64_t magic = 0;
    std::uint32_t version = 3;
    std::uint32_t crc32c = 0;  // of every byte of the header behind this field
    std::uint32_t shard = 0;
    std::uint32_t level = 0;  // how often its entries were merged
    std::uint64_t begin_offset = 0;
    std::uint64_t end_offset = 0;  // every identity in [begin, end) is here
    std::uint64_t entries = 0;
    std::uint64_t pages = 0;
    std::uint64_t filter_bytes = 0;
    std::uint32_t filter_crc32c = 0;
    KeeperBits keepers = 0;
};
static_assert(sizeof(RunHeader) == 72);

class IdRun {
public:
    // A filter above so many bytes is read where it stands in the file: slower, and the system can
    // take its pages back.
    static core::Result<std::unique_ptr<IdRun>> open(
        const std::string& path,
        std::size_t filter_bytes_max = std::numeric_limits<std::size_t>::max());
    ~IdRun();
    IdRun(const IdRun&) = delete;
    IdRun& operator=(const IdRun&) = delete;

    const RunHeader& header() const { return header_; }
    const std::string& path() const { return path_; }

    enum class Lookup : std::uint8_t { kAbsent, kFound, kDamaged };
    Lookup find(const IdHash& id, std::uint64_t& offset) const;
    // Every entry with this half of the identity. The filter is no help: a page or two are read.
    Lookup find_by_id(std::uint64_t by_id, std::vector<RunEntry>& out) const;
    // Asked before find(): without it most look-ups of new identities would read a page.
    const RunFilter& filter() const { return filter_; }

    // For merging: entries of one page, in order; false when the page is damaged.
    bool page(std::uint64_t index, const RunEntry*& entries, std::uint32_t& count) const;

private:
    IdRun() = default;
    void note_range();
    static std::uint64_t guess(std::uint64_t order, std::uint64_t low, std::uint64_t high,
                               std::uint64_t low_order, std::uint64_t high_order);
    // The first page whose last entry is not before `id`; pages() when there is none. False:
    // damaged.
    bool first_page(const IdHash& id, std::uint64_t& found) const;

    std::string path_;
    RunHeader header_;
    const char* map_ = nullptr;
    std::size_t map_bytes_ = 0;
    RunFilter filter_;
    std::uint64_t first_order_ = 0;
    std::uint64_t last_order_ = 0;
    // A page's checksum is looked at once: a lookup of a new id comes here for nothing now and
    // then, and 4 KiB of CRC would cost it more than everything else. Any thread; a lost race
    // checks twice.
    std::unique_ptr<std::atomic<bool>[]> page_checked_;
};

// Writes a run; entries must come in its order, each identity once.
class RunWriter {
public:
    struct Range {
        core::ShardId shard;
        std::uint32_t level = 0;
        std::uint64_t begin_offset = 0;
        std::uint64_t end_offset = 0;
        std::uint64_t entries_max = 0;  // sizes the filter
        KeeperBits keepers = kKeepersKnown;
    };
    static core::Result<std::unique_ptr<RunWriter>> create(const std::string& folder,
                                                           const Range& range);
    ~RunWriter();

    void add(const RunEntry& entry);
    // Syncs the file and gives it its name.
    core::Result<std::unique_ptr<IdRun>> finish(
        std::size_t filter_bytes_max = std::numeric_limits<std::size_t>::max());

private:
    RunWriter() = default;
    void flush_page();
    void write_out_piece();

    std::string folder_;
    std::string path_;
    std::string path_open_;
    std::FILE* file_ = nullptr;
    std::int64_t written_out_ = 0;
    bool failed_ = false;
    RunHeader header_;
    std::vector<RunEntry> page_;
    RunFilter filter_;
};

std::string run_file_prefix(core::ShardId shard);
std::string run_file_name(core::ShardId shard, std::uint64_t begin_offset,
                          std::uint64_t end_offset);

}  // namespace millrace::store
