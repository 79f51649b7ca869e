// What: a vector whose large blocks ask for huge pages: an index of a million subscriptions is read
//       at random, and with small pages each read misses the page table's cache as well.
// Threads: as std::vector. Lifetime: as std::vector. Limits: none.
// Failure: std::bad_alloc; without huge pages the memory is ordinary.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#include <sys/mman.h>

namespace millrace::matcher {

template <typename T>
struct HugeAllocator {
    using value_type = T;
    static constexpr std::size_t kPage = 2u << 20;

    HugeAllocator() = default;
    template <typename U>
    // NOLINT(google-explicit-constructor): allocators convert
    HugeAllocator(const HugeAllocator<U>&) {}

    T* allocate(std::size_t count) {
        const std::size_t bytes = count * sizeof(T);
        const bool large = bytes >= kPage;
        const std::size_t alignment = large ? kPage : 64;
        void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
        if (!p) throw std::bad_alloc();
        if (large) madvise(p, bytes, MADV_HUGEPAGE);  // a wish; refused, nothing is lost
        return static_cast<T*>(p);
    }
    void deallocate(T* p, std::size_t) { std::free(p); }
    bool operator==(const HugeAllocator&) const { return true; }
};

template <typename T>
using HugeVector = std::vector<T, HugeAllocator<T>>;

}  // namespace millrace::matcher
