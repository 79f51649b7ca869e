// What: buffer pools by size class, so that a block of one small event does not hold a megabyte.
// Threads: any. Lifetime: outlives its buffers. Limits: keeps at most so many bytes of free buffers
//       as it is told (48 MiB is plenty), and only after that much was in use at once.
// Failure: allocation failure is fatal.
#pragma once

#include "core/buffer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace millrace::store {

class PoolSet {
public:
    explicit PoolSet(std::size_t kept_bytes_max = kKeptBytes) {
        for (std::size_t i = 0; i < kClasses; ++i) {
            core::BufferPool::Options options;
            // One of each size that every block needs is kept in any case.
            const std::size_t least = kBytes[i] <= kAlwaysBytes ? 1 : 0;
            const double part =
                static_cast<double>(kept_bytes_max) / static_cast<double>(kKeptBytes);
            options.pooled_buffers_max = std::clamp(
                static_cast<std::size_t>(static_cast<double>(kKept[i]) * part), least, kKept[i]);
            options.pooled_bytes_max = kBytes[i];
            pools_[i] = std::make_unique<core::BufferPool>(options);
        }
    }
    core::BufferRef acquire(std::size_t capacity) {
        std::size_t i = 0;
        while (i + 1 < kClasses && kBytes[i] < capacity) ++i;
        return pools_[i]->acquire(capacity > kBytes[i] ? capacity : kBytes[i]);
    }
    core::BufferPool& small() { return *pools_[0]; }

private:
    static constexpr std::size_t kClasses = 6;
    static constexpr std::array<std::size_t, kClasses> kBytes = {4u << 10,   16u << 10, 64u << 10,
                                                                 256u << 10, 1u << 20,  2u << 20};
    static constexpr std::array<std::size_t, kClasses> kKept = {256, 128, 64, 32, 16, 8};
    static constexpr std::size_t kKeptBytes = 48u << 20;  // of all of these, about
    static constexpr std::size_t kAlwaysBytes = 1u << 20;
    std::array<std::unique_ptr<core::BufferPool>, kClasses> pools_;
};

}  // namespace millrace::store
