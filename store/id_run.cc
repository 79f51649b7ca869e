#include "store/id_run.h"

#include "core/fault.h"
#include "store/bloom_filter.h"
#include "store/crc32c.h"
#include "store/file_util.h"

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
// DESIGN.md's figure: about 2 % of the lookups of new ids touch a page for nothing.
constexpr std::size_t kFilterBitsPerId = 9;

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

core::Result<std::unique_ptr<IdRun>> IdRun::open(const std::string& path) {
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
    if (h.magic != kRunMagic || h.version != 1 || header_crc(h) != h.crc32c) {
        return run_error("open", path, "header damaged");
    }
    if ((h.pages + 1) * kPageBytes + h.filter_bytes != bytes)
        return run_error("open", path, "wrong size");
    const char* filter = run->map_ + (h.pages + 1) * kPageBytes;
    run->filter_.assign(filter, h.filter_bytes);
    if (crc32c(run->filter_) != h.filter_crc32c) return run_error("open", path, "filter damaged");
    ::madvise(map, bytes, MADV_RANDOM);
    run->page_checked_ = std::make_unique<std::atomic<bool>[]>(h.pages);
    return run;
}

IdRun::~IdRun() {
    if (map_) ::munmap(const_cast<char*>(map_), map_bytes_);
}

void IdRun::prefetch(const IdHash& id) const {
    const BloomProbe probe(id.by_id, filter_.size());
    __builtin_prefetch(filter_.data() + probe.line * kBloomLineBytes);
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

IdRun::Lookup IdRun::find_by_id(std::uint64_t by_id, std::vector<RunEntry>& out) const {
    if (header_.pages == 0 || !bloom_may_contain(filter_, by_id)) return Lookup::kAbsent;
    // Hashes are uniform: the page is where interpolation says, or a step or two beside it.
    auto guess =
        static_cast<std::uint64_t>((static_cast<unsigned __int128>(by_id) * header_.pages) >> 64);
    const RunEntry* entries = nullptr;
    std::uint32_t count = 0;
    if (!page(guess, entries, count)) return Lookup::kDamaged;
    while (guess > 0 && entries[0].id.by_id >= by_id) {
        if (!page(--guess, entries, count)) return Lookup::kDamaged;
    }
    bool found = false;
    for (;;) {
        if (entries[count - 1].id.by_id >= by_id) {
            std::uint32_t low = 0;
            for (std::uint32_t high = count; low < high;) {
                const std::uint32_t middle = (low + high) / 2;
                if (entries[middle].id.by_id < by_id) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            for (; low < count && entries[low].id.by_id == by_id; ++low) {
                out.push_back(entries[low]);
                found = true;
            }
            if (low < count) break;
        }
        if (++guess == header_.pages) break;
        if (!page(guess, entries, count)) return Lookup::kDamaged;
    }
    return found ? Lookup::kFound : Lookup::kAbsent;
}

IdRun::Lookup IdRun::find(const IdHash& id, std::uint64_t& offset) const {
    if (!bloom_may_contain(filter_, id.by_id)) return Lookup::kAbsent;
    std::vector<RunEntry> entries;  // only for ids that (very likely) are here: duplicates
    const Lookup result = find_by_id(id.by_id, entries);
    if (result != Lookup::kFound) return result;
    bool found = false;
    for (const RunEntry& entry : entries) {
        if (entry.id != id || (found && entry.offset < offset)) continue;
        offset = entry.offset;
        found = true;
    }
    return found ? Lookup::kFound : Lookup::kAbsent;
}

core::Result<std::unique_ptr<RunWriter>> RunWriter::create(const std::string& folder,
                                                           const Range& range) {
    std::unique_ptr<RunWriter> writer(new RunWriter);
    writer->folder_ = folder;
    writer->path_ = folder + "/" + run_file_name(range.shard, range.begin_offset, range.end_offset);
    writer->path_open_ = writer->path_ + ".open";
    writer->file_ = std::fopen(writer->path_open_.c_str(), "wbe");
    if (!writer->file_) return run_error("create", writer->path_open_, std::strerror(errno));
    RunHeader& h = writer->header_;
    h.magic = kRunMagic;
    h.shard = range.shard.value;
    h.level = range.level;
    h.begin_offset = range.begin_offset;
    h.end_offset = range.end_offset;
    writer->filter_.assign(bloom_bytes_for(range.entries_max, kFilterBitsPerId), '\0');
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
}

void RunWriter::add(const RunEntry& entry) {
    page_.push_back(entry);
    bloom_add(filter_.data(), filter_.size(), entry.id.by_id);
    header_.entries += 1;
    if (page_.size() == kPageEntries) flush_page();
}

core::Result<std::unique_ptr<IdRun>> RunWriter::finish() {
    flush_page();
    header_.filter_bytes = filter_.size();
    header_.filter_crc32c = crc32c(filter_);
    header_.crc32c = header_crc(header_);
    failed_ |= std::fwrite(filter_.data(), 1, filter_.size(), file_) != filter_.size();
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
    return IdRun::open(path_);
}

}  // namespace millrace::store
