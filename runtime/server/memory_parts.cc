#include "runtime/server/memory_parts.h"

#include "runtime/lua/lua_allocator.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string_view>

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace millrace::runtime {

namespace {

constexpr std::uint64_t kPartMiB = 1u << 20;
// Below it memory is dearer than the time that a huge page or an arena of its own saves a thread.
constexpr std::uint64_t kSmallLimit = 512 * kPartMiB;
constexpr int kArenasOfSmall = 2;
constexpr int kMapFromOfSmall = 1 << 20;
// A quarter of the usual room for addresses; what is touched of it is the same.
constexpr std::size_t kStackOfSmall = 2 << 20;
// What RocksDB holds for an open file beside its caches.
constexpr std::uint64_t kBytesPerOpenFile = 512u << 10;
// A socket whose client does not read takes a thousandth of the limit at most, where the system
// would give it megabytes. With less than a few segments of the loopback each waits for the last.
constexpr std::size_t kSocketsOfLimit = 1024;
constexpr std::size_t kSendBufferLeast = 128u << 10;
constexpr std::size_t kSendBufferMost = 1u << 20;
// What a connection of lines holds while it rests, and how much of its share that may come to.
constexpr std::size_t kLineConnectionBytes = 4u << 10;
constexpr std::size_t kLineConnectionsLeast = 64;

std::size_t at_most(std::size_t a, std::size_t b) { return std::min(a, b); }

// Pages that the loader or we have written are in segments that may be written: those stay.
int drop_read_only(dl_phdr_info* object, std::size_t, void*) {
    // The kernel's own page is no file.
    if (std::string_view(object->dlpi_name).starts_with("linux-vdso")) return 0;
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = object->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const std::uintptr_t from = (object->dlpi_addr + segment.p_vaddr + page - 1) & ~(page - 1);
        const std::uintptr_t to =
            (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) & ~(page - 1);
        if (from >= to) continue;
        ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);  // a wish
    }
    return 0;
}

}  // namespace

void bound_store(const MemoryPlan& plan, const MemoryHolders& holders,
                 store::Database::Options& out) {
    if (plan.limit == 0) return;
    const MemoryBounds bounds = memory_bounds(plan, holders);
    out.write_buffers_bytes_max = bounds.write_buffers_bytes;
    out.write_buffer_bytes = at_most(out.write_buffer_bytes, bounds.log_write_buffer_bytes);
    out.log_write_buffers_max = at_most(out.log_write_buffers_max, bounds.log_write_buffers);
    out.small_write_buffer_bytes =
        at_most(out.small_write_buffer_bytes, bounds.small_write_buffer_bytes);
    out.block_cache_bytes = at_most(out.block_cache_bytes, bounds.block_cache_bytes);
    out.kv_cache_bytes = at_most(out.kv_cache_bytes, bounds.kv_cache_bytes);
    out.id_table_entries_max = at_most(out.id_table_entries_max, bounds.id_table_entries);
    out.id_filter_bytes_max = at_most(out.id_filter_bytes_max, bounds.id_filter_bytes);
    out.spare_bytes_max = at_most(out.spare_bytes_max, bounds.store_spare_bytes);
    const int files =
        static_cast<int>(std::clamp<std::uint64_t>(plan.limit / kBytesPerOpenFile, 64, 1u << 20));
    out.open_files_max = out.open_files_max < 0 ? files : std::min(out.open_files_max, files);
}

void bound_reactor(const MemoryPlan& plan, const MemoryHolders& holders, io::ReactorOptions& out) {
    if (plan.limit == 0) return;
    const MemoryBounds bounds = memory_bounds(plan, holders);
    const auto buffers = static_cast<std::uint32_t>(std::clamp<std::size_t>(
        std::bit_floor(bounds.receive_buffers_bytes / out.receive_buffer_bytes), 8,
        out.receive_buffers));
    out.receive_buffers = buffers;
    out.spare_bytes_max = at_most(out.spare_bytes_max, bounds.socket_spare_bytes);
    out.client_bytes_max = at_most(out.client_bytes_max, bounds.client_bytes);
    // The system counts it to the group that we run in, and makes it larger than it must be.
    const std::size_t kept = plan.limit / kSocketsOfLimit;
    if (kept < kSendBufferMost) out.send_buffer_bytes = std::max(kept, kSendBufferLeast);
}

void bound_http(const MemoryPlan& plan, const MemoryHolders& holders, io::HttpLimits& out) {
    if (plan.limit == 0) return;
    const MemoryBounds bounds = memory_bounds(plan, holders);
    out.receiving_bytes_max = bounds.receiving_bytes;
    out.body_bytes_max = at_most(out.body_bytes_max, bounds.receiving_bytes);
    out.buffered_bytes_max = bounds.buffered_bytes;
    out.answers_bytes_max = at_most(out.answers_bytes_max, bounds.answers_bytes);
    out.out_bytes_max = at_most(out.out_bytes_max, bounds.answers_bytes / 4);
}

void bound_lines(const MemoryPlan& plan, const MemoryHolders& holders, io::LineLimits& out) {
    if (plan.limit == 0) return;
    const MemoryBounds bounds = memory_bounds(plan, holders);
    out.batch_bytes =
        at_most(out.batch_bytes, std::max<std::size_t>(bounds.in_flight_bytes / 8, 16u << 10));
    out.unacked_bytes_max = at_most(out.unacked_bytes_max, bounds.in_flight_bytes);
    out.connections_max =
        at_most(out.connections_max,
                std::max(bounds.client_bytes / 2 / kLineConnectionBytes, kLineConnectionsLeast));
}

StreamBounds bound_streams(const MemoryPlan& plan, const MemoryHolders& holders) {
    StreamBounds out;
    if (plan.limit == 0) return out;
    const MemoryBounds bounds = memory_bounds(plan, holders);
    out.blocks_bytes = at_most(out.blocks_bytes, bounds.stream_blocks_bytes);
    out.writing_bytes = at_most(out.writing_bytes, bounds.stream_writing_bytes);
    out.message_bytes = at_most(out.message_bytes, bounds.message_bytes);
    out.unsent_bytes = at_most(out.unsent_bytes, bounds.unsent_bytes);
    return out;
}

std::size_t bound_outside(const MemoryPlan& plan, const MemoryHolders& holders, std::size_t usual) {
    return plan.limit == 0 ? usual : at_most(usual, memory_bounds(plan, holders).outside_bytes);
}

QueueBounds bound_queues(const MemoryPlan& plan, const MemoryHolders& holders,
                         std::int64_t queue_bytes_configured) {
    QueueBounds out{64 * kPartMiB, std::numeric_limits<std::size_t>::max(),
                    static_cast<std::size_t>(queue_bytes_configured), 64 * kPartMiB};
    if (plan.limit == 0) return out;
    const MemoryBounds bounds = memory_bounds(plan, holders);
    out.in_flight_bytes = at_most(out.in_flight_bytes, bounds.in_flight_bytes);
    out.request_bytes_kept = bounds.in_flight_bytes / 8;
    out.queue_bytes = at_most(out.queue_bytes, bounds.queue_bytes);
    out.lane_bytes = at_most(out.lane_bytes, bounds.lane_bytes);
    return out;
}

void bound_process(const MemoryPlan& plan) {
    if (plan.limit == 0) return;
    LuaAllocator::share_among_all(static_cast<std::size_t>(plan.of(MemoryShare::kScripts)));
    if (plan.limit > kSmallLimit) return;
    ::mallopt(M_ARENA_MAX, kArenasOfSmall);
    ::mallopt(M_MMAP_THRESHOLD, kMapFromOfSmall);
    ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    pthread_attr_t attributes;
    if (::pthread_attr_init(&attributes) != 0) return;
    ::pthread_attr_setstacksize(&attributes, kStackOfSmall);
    ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
}

void drop_start_pages() {
    ::malloc_trim(0);
    ::dl_iterate_phdr(drop_read_only, nullptr);
}

}  // namespace millrace::runtime
