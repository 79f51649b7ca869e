#include "store/ids/id_run.h"

#include "core/fault.h"
#include "store/commit/crc32c.h"
#include "store/file_util.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::store {
namespace {

constexpr std::uint64_t kRunMagic = 0x31306e757265726dULL;  // "mrerun01"
constexpr std::size_t kPageBytes = 4096;
constexpr std::uint32_t kPageEntries = 170;
// 1 chose filter lines by the bits that choose the shard; up to 2 order and filter went by by_id
// alone, so that an id which many sources use was looked up in pages.
constexpr std::uint32_t kRunVersion = 3;
constexpr int kGuessesMax = 4;
constexpr std::size_t kWriteBytes = 256u << 10;
constexpr std::uint64_t kPagesPerPiece = 256;  // 1 MiB: some milliseconds of a slow disk

// The first of a page's entries that is not before `id`.
const RunEntry* first_entry(const RunEntry* entries, std::uint32_t count, const IdHash& id) {
    return std::lower_bound(
        entries, entries + count, id,
        [](const RunEntry& held, const IdHash& wanted) { return in_run_order(held.id, wanted); });
}

struct PageTail {
    std::uint32_t crc32c;
    std::uint32_t count;
    std::uint32_t spare[2];
};
static_assert(kPageEntries * sizeof(RunEntry) + sizeof(PageTail) == kPageBytes);

std::uint32_t header_crc(const RunHeader& header) {
    const std::size_t covered = offsetof(RunHeader, crc32c) + sizeof(header.crc32c);
    return crc32c({reinterpret_cast<const char*>(&header) + covered, sizeof(header) - covered});
}

std::uint32_t page_crc(const char* page) {
    const std::size_t entries_bytes = kPageEntries * sizeof(RunEntry);
    const std::uint32_t crc = crc32c({page, entries_bytes});
    return crc32c(
        {page + entries_bytes + sizeof(std::uint32_t), sizeof(PageTail) - sizeof(std::uint32_t)},
        crc);
}

tl::unexpected<core::Error> run_error(std::string_view operation, const std::string& path,
                                      std::string_view why) {
    return core::fail(core::ErrorCode::kInternal, "store: " + std::string(operation) +
                                                      " identity run path=" + path +
                                                      " failed: " + std::string(why));
}

}  // namespace

std::string run_file_prefix(core::ShardId shard) {
    std::string prefix = std::to_string(shard.value);
    prefix.append("-");
    return prefix;
}

std::string run_file_name(core::ShardId shard, std::uint64_t begin_offset,
                          std::uint64_t end_offset) {
    std::string name = run_file_prefix(shard);
    name.append(std::to_string(begin_offset))
        .append("-")
        .append(std::to_string(end_offset))
        .append(".run");
    return name;
}

core::Result<std::unique_ptr<IdRun>> IdRun::open(const std::string& path,
                                                 std::size_t filter_bytes_max) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return run_error("open", path, std::strerror(errno));
    struct stat info {};
    if (::fstat(fd, &info) != 0 || static_cast<std::size_t>(info.st_size) < kPageBytes) {
        ::close(fd);
        return run_error("open", path, "shorter than its header");
    }
    const auto bytes = static_cast<std::size_t>(info.st_size);
    void* map = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    if (map == MAP_FAILED) return run_error("map", path, std::strerror(errno));
    std::unique_ptr<IdRun> run(new IdRun);
    run->path_ = path;
    run->map_ = static_cast<const char*>(map);
    run->map_bytes_ = bytes;
    std::memcpy(&run->header_, run->map_, sizeof(RunHeader));
    const RunHeader& h = run->header_;
    if (h.magic != kRunMagic || h.version != kRunVersion || header_crc(h) != h.crc32c) {
        return run_error("open", path, "header damaged");
    }
    if ((h.pages + 1) * kPageBytes + h.filter_bytes != bytes)
        return run_error("open", path, "wrong size");
    const std::string_view filter(run->map_ + (h.pages + 1) * kPageBytes, h.filter_bytes);
    if (filter.empty() || filter.size() % RunFilter::kGroupBytes != 0 ||
        crc32c(filter) != h.filter_crc32c) {
        return run_error("open", path, "filter damaged");
    }
    run->filter_ =
        filter.size() <= filter_bytes_max ? RunFilter::copy(filter) : RunFilter::at(filter);
    ::madvise(map, bytes, MADV_RANDOM);
    run->page_checked_ = std::make_unique<std::atomic<bool>[]>(h.pages);
    run->note_range();
    return run;
}

IdRun::~IdRun() {
    if (map_) ::munmap(const_cast<char*>(map_), map_bytes_);
}

bool IdRun::page(std::uint64_t index, const RunEntry*& entries, std::uint32_t& count) const {
    const char* page = map_ + (index + 1) * kPageBytes;
    PageTail tail;
    std::memcpy(&tail, page + kPageEntries * sizeof(RunEntry), sizeof(tail));
    if (tail.count == 0 || tail.count > kPageEntries) return false;
    std::atomic<bool>& checked = page_checked_[index];
    if (!checked.load(std::memory_order_relaxed)) {  // a hint: nothing else is ordered by it
        if (page_crc(page) != tail.crc32c) return false;
        checked.store(true, std::memory_order_relaxed);
    }
    entries = reinterpret_cast<const RunEntry*>(page);
    count = tail.count;
    return true;
}

// For guesses only, so that nothing is checked here.
void IdRun::note_range() {
    if (header_.pages == 0) return;
    const char* last = map_ + header_.pages * kPageBytes;
    PageTail tail;
    std::memcpy(&tail, last + kPageEntries * sizeof(RunEntry), sizeof(tail));
    const std::size_t count = std::min(tail.count, kPageEntries);
    RunEntry entry;
    std::memcpy(&entry, map_ + kPageBytes, sizeof(entry));
    first_order_ = entry.id.order();
    std::memcpy(&entry, last + (count == 0 ? 0 : count - 1) * sizeof(RunEntry), sizeof(entry));
    last_order_ = entry.id.order();
}

// Where entries of [low_order, high_order] that are spread evenly over pages [low, high) have this.
std::uint64_t IdRun::guess(std::uint64_t order, std::uint64_t low, std::uint64_t high,
                           std::uint64_t low_order, std::uint64_t high_order) {
    if (order <= low_order) return low;
    if (order >= high_order) return high - 1;
    const auto share = static_cast<unsigned __int128>(order - low_order) * (high - low);
    return std::min(low + static_cast<std::uint64_t>(share / (high_order - low_order)), high - 1);
}

// Interpolation search over pages, then halving: a page that is touched costs a miss and, the first
// time, its checksum.
bool IdRun::first_page(const IdHash& id, std::uint64_t& found) const {
    const std::uint64_t order = id.order();
    std::uint64_t low = 0;
    std::uint64_t high = header_.pages;
    std::uint64_t low_order = first_order_;
    std::uint64_t high_order = last_order_;
    for (int guesses = 0; low < high; ++guesses) {
        const std::uint64_t at = guesses < kGuessesMax
                                     ? guess(order, low, high, low_order, high_order)
                                     : (low + high) / 2;
        const RunEntry* entries = nullptr;
        std::uint32_t count = 0;
        if (!page(at, entries, count)) return false;
        if (in_run_order(entries[count - 1].id, id)) {
            low = at + 1;
            low_order = entries[count - 1].id.order();
        } else if (in_run_order(id, entries[0].id)) {
            high = at;
            high_order = entries[0].id.order();
        } else {
            low = high = at;
        }
    }
    found = low;
    return true;
}

IdRun::Lookup IdRun::find_by_id(std::uint64_t by_id, std::vector<RunEntry>& out) const {
    std::uint64_t at = 0;
    const IdHash least{by_id, 0};
    if (!first_page(least, at)) return Lookup::kDamaged;
    bool found = false;
    // One id of several sources may lie across pages.
    for (; at < header_.pages; ++at) {
        const RunEntry* entries = nullptr;
        std::uint32_t count = 0;
        if (!page(at, entries, count)) return Lookup::kDamaged;
        const RunEntry* entry = first_entry(entries, count, least);
        for (; entry != entries + count && entry->id.by_id == by_id; ++entry) {
            out.push_back(*entry);
            found = true;
        }
        if (entry != entries + count) break;
    }
    return found ? Lookup::kFound : Lookup::kAbsent;
}

IdRun::Lookup IdRun::find(const IdHash& id, std::uint64_t& offset) const {
    std::uint64_t at = 0;
    if (!first_page(id, at)) return Lookup::kDamaged;
    if (at == header_.pages) return Lookup::kAbsent;
    const RunEntry* entries = nullptr;
    std::uint32_t count = 0;
    if (!page(at, entries, count)) return Lookup::kDamaged;
    const RunEntry* entry = first_entry(entries, count, id);
    if (entry == entries + count || entry->id != id) return Lookup::kAbsent;
    offset = entry->offset;
    return Lookup::kFound;
}

core::Result<std::unique_ptr<RunWriter>> RunWriter::create(const std::string& folder,
                                                           const Range& range) {
    std::unique_ptr<RunWriter> writer(new RunWriter);
    writer->folder_ = folder;
    writer->path_ = folder + "/" + run_file_name(range.shard, range.begin_offset, range.end_offset);
    writer->path_open_ = writer->path_ + ".open";
    writer->file_ = std::fopen(writer->path_open_.c_str(), "wbe");
    if (!writer->file_) return run_error("create", writer->path_open_, std::strerror(errno));
    std::setvbuf(writer->file_, nullptr, _IOFBF, kWriteBytes);
    RunHeader& h = writer->header_;
    h.magic = kRunMagic;
    h.shard = range.shard.value;
    h.level = range.level;
    h.begin_offset = range.begin_offset;
    h.end_offset = range.end_offset;
    h.keepers = range.keepers;
    writer->filter_ = RunFilter(range.entries_max);
    writer->page_.reserve(kPageEntries);
    const std::string blank(kPageBytes, '\0');
    writer->failed_ = std::fwrite(blank.data(), 1, kPageBytes, writer->file_) != kPageBytes;
    return writer;
}

RunWriter::~RunWriter() {
    if (!file_) return;
    std::fclose(file_);
    ::unlink(path_open_.c_str());
}

void RunWriter::flush_page() {
    if (page_.empty()) return;
    const auto count = static_cast<std::uint32_t>(page_.size());
    page_.resize(kPageEntries);
    char bytes[kPageBytes];
    std::memcpy(bytes, page_.data(), kPageEntries * sizeof(RunEntry));
    PageTail tail{0, count, {0, 0}};
    std::memcpy(bytes + kPageEntries * sizeof(RunEntry), &tail, sizeof(tail));
    tail.crc32c = page_crc(bytes);
    std::memcpy(bytes + kPageEntries * sizeof(RunEntry), &tail, sizeof(tail));
    failed_ |= std::fwrite(bytes, 1, kPageBytes, file_) != kPageBytes;
    header_.pages += 1;
    page_.clear();
    if (header_.pages % kPagesPerPiece == 0) write_out_piece();
}

// Waits until the last piece is with the disk, so that the sync at a big run's end is short. Alone
// it does not keep a merge of 8 M ids from being felt (bench/store_results.md).
void RunWriter::write_out_piece() {
    const auto end = static_cast<off64_t>((header_.pages + 1) * kPageBytes);
    failed_ |= std::fflush(file_) != 0;
    // A hint: whether all of it is there, finish() asks with its own sync.
    static_cast<void>(::sync_file_range(
        ::fileno(file_), written_out_, end - written_out_,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
    written_out_ = end;
}

void RunWriter::add(const RunEntry& entry) {
    page_.push_back(entry);
    filter_.add(RunFilter::Key(entry.id));
    header_.entries += 1;
    if (page_.size() == kPageEntries) flush_page();
}

core::Result<std::unique_ptr<IdRun>> RunWriter::finish(std::size_t filter_bytes_max) {
    flush_page();
    const std::string_view filter = filter_.bytes();
    header_.filter_bytes = filter.size();
    header_.filter_crc32c = crc32c(filter);
    header_.crc32c = header_crc(header_);
    failed_ |= std::fwrite(filter.data(), 1, filter.size(), file_) != filter.size();
    failed_ |= std::fseek(file_, 0, SEEK_SET) != 0;
    failed_ |= std::fwrite(&header_, 1, sizeof(header_), file_) != sizeof(header_);
    failed_ |= std::fflush(file_) != 0 || ::fdatasync(::fileno(file_)) != 0;
    failed_ |= std::fclose(file_) != 0;
    file_ = nullptr;
    core::pass_fault_point(core::FaultPoint::kRunBeforeRename);
    if (failed_ || ::rename(path_open_.c_str(), path_.c_str()) != 0) {
        ::unlink(path_open_.c_str());
        return run_error("write", path_, std::strerror(errno));
    }
    core::pass_fault_point(core::FaultPoint::kRunAfterRename);
    if (auto synced = sync_folder(folder_); !synced) return core::fail(std::move(synced.error()));
    filter_ = RunFilter();  // not twice at once
    return IdRun::open(path_, filter_bytes_max);
}

}  // namespace millrace::store
