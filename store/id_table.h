// What: the newest identities of one shard in memory: an open-addressing table of 24-byte slots,
//       linear probing, insert only. A slot's place is the upper bits of IdHash::order(), so that
//       the slots from first to last are nearly in the order of a run.
// Threads: one writer; any number of readers at once (a slot's offset is published last).
// Lifetime: of its ShardIdIndex. Limits: fixed number of slots; the owner keeps it under 60 % full.
// Failure: none.
#pragma once

#include "core/assert.h"
#include "store/hasher.h"

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>

#include <sys/mman.h>

namespace millrace::store {

class IdTable {
public:
    struct Slot {
        std::atomic<std::uint64_t> by_id;
        std::atomic<std::uint64_t> by_source;
        std::atomic<std::uint64_t> offset_plus_1;  // 0: free
    };

    explicit IdTable(std::size_t slots)
        : slots_(allocate(slots), Free{slots * sizeof(Slot)}),
          mask_(slots - 1),
          shift_(64 - std::countr_zero(slots)) {
        MR_ASSERT(slots > 1 && (slots & mask_) == 0);
    }
    // All slots free again. Nobody else may hold the table.
    void clear() {
        std::memset(static_cast<void*>(slots_.get()), 0, slots() * sizeof(Slot));
        count_ = 0;
    }
    std::size_t slots() const { return mask_ + 1; }
    std::size_t count() const { return count_; }
    const Slot& slot(std::size_t index) const { return slots_.get()[index]; }
    std::size_t home(std::uint64_t by_id) const { return IdHash{by_id, 0}.order() >> shift_; }
    // Two lines: a look-up that finds nothing goes on to the first free slot, mostly in the second.
    void prefetch(const IdHash& id) const {
        const Slot* at = &slots_.get()[home(id.by_id)];
        __builtin_prefetch(at);
        __builtin_prefetch(reinterpret_cast<const char*>(at) + kLineBytes);
    }

    // Calls visit(slot) for each slot with this by_id; stops when it says false.
    template <typename Visit>
    void visit(std::uint64_t by_id, Visit&& visit) const {
        for (std::size_t i = home(by_id);; i = (i + 1) & mask_) {
            const Slot& held = slots_.get()[i];
            // acquire: pairs with the release in insert(); the hashes are then there too.
            if (held.offset_plus_1.load(std::memory_order_acquire) == 0) return;
            if (held.by_id.load(std::memory_order_relaxed) == by_id && !visit(held)) return;
        }
    }
    // 0 when absent, else offset + 1.
    std::uint64_t find(const IdHash& id) const {
        std::uint64_t found = 0;
        visit(id.by_id, [&](const Slot& held) {
            if (held.by_source.load(std::memory_order_relaxed) != id.by_source) return true;
            found = held.offset_plus_1.load(std::memory_order_relaxed);
            return false;
        });
        return found;
    }
    // Replaces the offset of an identity that is there already (its event is no longer kept).
    void insert(const IdHash& id, std::uint64_t offset) {
        for (std::size_t i = home(id.by_id);; i = (i + 1) & mask_) {
            Slot& held = slots_.get()[i];
            if (held.offset_plus_1.load(std::memory_order_relaxed) == 0) {
                held.by_id.store(id.by_id, std::memory_order_relaxed);
                held.by_source.store(id.by_source, std::memory_order_relaxed);
                held.offset_plus_1.store(offset + 1,
                                         std::memory_order_release);  // pairs with visit()
                ++count_;
                return;
            }
            if (held.by_id.load(std::memory_order_relaxed) == id.by_id &&
                held.by_source.load(std::memory_order_relaxed) == id.by_source) {
                if (held.offset_plus_1.load(std::memory_order_relaxed) < offset + 1) {
                    held.offset_plus_1.store(offset + 1, std::memory_order_release);
                }
                return;
            }
        }
    }

private:
    // Fresh zero pages from the kernel: nothing is touched before use, and all-zero bytes are a
    // free slot. Big tables ask for huge pages: a probe is then one miss, not two.
    static Slot* allocate(std::size_t slots) {
        const std::size_t bytes = slots * sizeof(Slot);
        void* map =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MR_ASSERT(map != MAP_FAILED);
        if (bytes >= kHugeFromBytes)
            ::madvise(map, bytes, MADV_HUGEPAGE);  // a wish: may be refused
        return static_cast<Slot*>(map);
    }
    static constexpr std::size_t kHugeFromBytes = 8u << 20;
    static constexpr std::size_t kLineBytes = 64;
    struct Free {
        std::size_t bytes = 0;
        void operator()(Slot* slots) const { ::munmap(slots, bytes); }
    };
    static_assert(std::is_trivially_destructible_v<Slot>);
    std::unique_ptr<Slot, Free> slots_;
    const std::size_t mask_;
    const int shift_;
    std::size_t count_ = 0;  // the writer's
};

}  // namespace millrace::store
