// What: the newest identities of one shard in memory: an open-addressing table of 24-byte slots,
//       linear probing, insert only. A slot's place is the upper bits of IdHash::order(), so that
//       the slots from first to last are nearly in the order of a run. An id that very many sources
//       use (devices that count their messages) would make a long row of slots to walk along: what
//       finds its first kStepsMax places taken goes to a second half, placed by both halves of the
//       identity.
// Threads: one writer; any number of readers at once (a slot's offset is published last).
// Lifetime: of its ShardIdIndex. Limits: fixed number of slots; the owner keeps it under 60 % full.
//       A look-up by id alone walks the second half when the id's first places are all taken.
// Failure: none.
#pragma once

#include "core/assert.h"
#include "store/ids/hasher.h"

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
        : slots_(allocate(2 * slots * sizeof(Slot)), Free{2 * slots * sizeof(Slot)}),
          mask_(slots - 1),
          shift_(64 - std::countr_zero(slots)) {
        MR_ASSERT(slots > 1 && (slots & mask_) == 0);
    }
    // All slots free again. Nobody else may hold the table.
    void clear() {
        std::memset(static_cast<void*>(slots_.get()), 0, slots() * sizeof(Slot));
        count_ = 0;
        crowded_.store(false, std::memory_order_relaxed);  // nobody else is there
    }
    std::size_t capacity() const { return mask_ + 1; }
    std::size_t count() const { return count_; }
    bool crowded() const { return crowded_.load(std::memory_order_acquire); }
    // Of both halves, when the second is in use.
    std::size_t slots() const { return crowded() ? 2 * capacity() : capacity(); }
    const Slot& slot(std::size_t index) const { return slots_.get()[index]; }
    std::size_t home(std::uint64_t by_id) const { return spread(by_id) >> shift_; }
    // Two lines: a look-up that finds nothing goes on to the first free slot, mostly in the second.
    void prefetch(const IdHash& id) const {
        const Slot* at = &slots_.get()[home(id.by_id)];
        __builtin_prefetch(at);
        __builtin_prefetch(reinterpret_cast<const char*>(at) + kLineBytes);
    }

    // Calls visit(slot) for each slot with this by_id.
    template <typename Visit>
    void visit(std::uint64_t by_id, Visit&& visit) const {
        const auto look = [&](const Slot& held) {
            // acquire: pairs with the release in insert(); the hashes are then there too.
            if (held.offset_plus_1.load(std::memory_order_acquire) == 0) return false;
            if (held.by_id.load(std::memory_order_relaxed) == by_id) visit(held);
            return true;
        };
        std::size_t i = home(by_id);
        for (std::size_t step = 0; step < kStepsMax; ++step, i = (i + 1) & mask_) {
            if (!look(slots_.get()[i])) return;
        }
        for (i = capacity(); i < slots(); ++i) look(slots_.get()[i]);
    }
    // 0 when absent, else offset + 1. The writer's.
    std::uint64_t find(const IdHash& id) const {
        return place(id)->offset_plus_1.load(std::memory_order_relaxed);
    }
    // The same for anybody.
    std::uint64_t find_shared(const IdHash& id) const {
        const Slot& held = *place(id);
        // acquire: pairs with the release in insert(). The place was free, and has been taken by
        // another identity meanwhile: then this one was not there.
        const std::uint64_t offset_plus_1 = held.offset_plus_1.load(std::memory_order_acquire);
        const bool same = held.by_id.load(std::memory_order_relaxed) == id.by_id &&
                          held.by_source.load(std::memory_order_relaxed) == id.by_source;
        return same ? offset_plus_1 : 0;
    }
    // Replaces the offset of an identity that is there already (its event is no longer kept).
    void insert(const IdHash& id, std::uint64_t offset) {
        Slot& held = *place(id);
        const std::uint64_t there = held.offset_plus_1.load(std::memory_order_relaxed);
        if (there >= offset + 1) return;
        if (there == 0) {
            held.by_id.store(id.by_id, std::memory_order_relaxed);
            held.by_source.store(id.by_source, std::memory_order_relaxed);
            ++count_;
            // release: pairs with crowded().
            if (&held >= slots_.get() + capacity()) crowded_.store(true, std::memory_order_release);
        }
        held.offset_plus_1.store(offset + 1, std::memory_order_release);  // pairs with visit()
    }

private:
    // The identity's slot, or the free one where it would go.
    Slot* place(const IdHash& id) const {
        const auto fits = [&](const Slot& held) {
            if (held.offset_plus_1.load(std::memory_order_acquire) == 0) return true;
            return held.by_id.load(std::memory_order_relaxed) == id.by_id &&
                   held.by_source.load(std::memory_order_relaxed) == id.by_source;
        };
        std::size_t i = home(id.by_id);
        for (std::size_t step = 0; step < kStepsMax; ++step, i = (i + 1) & mask_) {
            if (fits(slots_.get()[i])) return &slots_.get()[i];
        }
        i = home(id.by_id ^ id.by_source);
        while (!fits(slots_.get()[capacity() + i])) i = (i + 1) & mask_;
        return &slots_.get()[capacity() + i];
    }

    // Fresh zero pages from the kernel: nothing is touched before use, and all-zero bytes are a
    // free slot. Big tables ask for huge pages: a probe is then one miss, not two.
    static Slot* allocate(std::size_t bytes) {
        void* map =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        // As operator new says it: whoever started this part tells what the system refused.
        if (map == MAP_FAILED) throw std::bad_alloc();
        if (bytes >= kHugeFromBytes)
            ::madvise(map, bytes, MADV_HUGEPAGE);  // a wish: may be refused
        return static_cast<Slot*>(map);
    }
    // In a table half full, one place in some hundred thousand begins so long a row by chance.
    static constexpr std::size_t kStepsMax = 64;
    static constexpr std::size_t kHugeFromBytes = 16u << 20;
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
    std::atomic<bool> crowded_{false};
};

}  // namespace millrace::store
