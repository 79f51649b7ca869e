// What: buffer pools by size class, so that a small request does not take a large buffer.
// Threads: any (core::BufferPool).
// Lifetime: outlives every buffer handed out, also those that went to other threads.
// Limits: what is kept free, see kClasses: at most 41 MiB; larger buffers than the last class are
//       not
//         kept.
// Failure: none.
#pragma once

#include "core/buffer.h"

#include <array>
#include <cstddef>
#include <memory>

namespace millrace::io {

class SizedPools {
public:
    SizedPools() {
        for (std::size_t i = 0; i < kClasses.size(); ++i) {
            pools_[i] = std::make_unique<core::BufferPool>(
                core::BufferPool::Options{kClasses[i].kept_max, kClasses[i].bytes});
        }
    }

    core::BufferRef acquire(std::size_t bytes) {
        for (std::size_t i = 0; i < kClasses.size(); ++i) {
            if (bytes <= kClasses[i].bytes) return pools_[i]->acquire(kClasses[i].bytes);
        }
        return huge_.acquire(bytes);
    }

private:
    struct SizeClass {
        std::size_t bytes;
        std::size_t kept_max;
    };
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
