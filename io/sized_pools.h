// What: buffer pools by size class, so that a small request does not take a large buffer.
// Threads: any (core::BufferPool).
// Lifetime: outlives every buffer handed out, also those that went to other threads.
// Limits: what is kept free: at most so many bytes as it is told, shared out as in kClasses (41
//       MiB); larger buffers than the last class are not kept.
// Failure: none.
#pragma once

#include "core/buffer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace millrace::io {

class SizedPools {
public:
    explicit SizedPools(std::size_t kept_bytes_max = kKeptBytes) {
        for (std::size_t i = 0; i < kClasses.size(); ++i) {
            // One of each size that a usual request needs is kept in any case.
            const std::size_t least = kClasses[i].bytes <= kAlwaysBytes ? 1 : 0;
            const double part =
                static_cast<double>(kept_bytes_max) / static_cast<double>(kKeptBytes);
            const auto kept =
                static_cast<std::size_t>(static_cast<double>(kClasses[i].kept_max) * part);
            pools_[i] = std::make_unique<core::BufferPool>(core::BufferPool::Options{
                std::clamp(kept, least, kClasses[i].kept_max), kClasses[i].bytes});
        }
    }
    static constexpr std::size_t kKeptBytes = 41u << 20;

    core::BufferRef acquire(std::size_t bytes) {
        for (std::size_t i = 0; i < kClasses.size(); ++i) {
            if (bytes <= kClasses[i].bytes) return pools_[i]->acquire(kClasses[i].bytes);
        }
        return huge_.acquire(bytes);
    }

    // Of buffers that are not back yet, on whatever thread they are.
    std::size_t lent_bytes() const {
        std::size_t bytes = huge_.lent_bytes();
        for (const auto& pool : pools_) bytes += pool->lent_bytes();
        return bytes;
    }

private:
    struct SizeClass {
        std::size_t bytes;
        std::size_t kept_max;
    };
    static constexpr std::size_t kAlwaysBytes = 1u << 20;
    static constexpr std::array<SizeClass, 7> kClasses{{
        {512, 2048},
        {4096, 1024},
        {16 << 10, 256},
        {64 << 10, 128},
        {256 << 10, 32},
        {1 << 20, 8},
        {4 << 20, 2},
    }};
    std::array<std::unique_ptr<core::BufferPool>, kClasses.size()> pools_;
    core::BufferPool huge_{core::BufferPool::Options{0, 0}};
};

}  // namespace millrace::io
