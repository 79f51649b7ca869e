// What: a bounded single-producer single-consumer ring. One per ordered pair of agents.
// Threads: exactly one pushes, exactly one pops.
// Lifetime: elements left inside are destroyed with the ring.
// Limits: capacity is a power of two, fixed at construction. Overflow policy: refuse; the caller
//       decides what waiting means.
// Failure: try_push returns false when full, try_pop returns false when empty.
#pragma once

#include "core/assert.h"

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

namespace millrace::core {

template <typename T>
class SpscRing {
public:
    explicit SpscRing(std::size_t capacity)
        : mask_(capacity - 1), slots_(std::make_unique<T[]>(capacity)) {
        MR_ASSERT(std::has_single_bit(capacity));
    }
    SpscRing(const SpscRing&) = delete;
    SpscRing& operator=(const SpscRing&) = delete;

    bool try_push(T&& value) {
        // only the producer writes it
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_seen_ > mask_) {
            // pairs with the release in try_pop
            head_seen_ = head_.load(std::memory_order_acquire);
            if (tail - head_seen_ > mask_) return false;
        }
        slots_[tail & mask_] = std::move(value);
        tail_.store(tail + 1, std::memory_order_release);  // pairs with the acquire in try_pop
        return true;
    }

    bool try_pop(T& out) {
        // only the consumer writes it
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_seen_) {
            // pairs with the release in try_push
            tail_seen_ = tail_.load(std::memory_order_acquire);
            if (head == tail_seen_) return false;
        }
        out = std::move(slots_[head & mask_]);
        slots_[head & mask_] = T{};
        head_.store(head + 1, std::memory_order_release);  // pairs with the acquire in try_push
        return true;
    }

    // Approximate from any thread; exact for producer (never less) and consumer (never more).
    std::size_t size() const {
        return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
    }
    bool empty() const { return size() == 0; }
    std::size_t capacity() const { return mask_ + 1; }

private:
    const std::size_t mask_;
    const std::unique_ptr<T[]> slots_;
    // The producer's line, then the consumer's: neither may share a cache line with the other.
    alignas(64) std::atomic<std::size_t> tail_{0};
    std::size_t head_seen_ = 0;
    alignas(64) std::atomic<std::size_t> head_{0};
    std::size_t tail_seen_ = 0;
};

}  // namespace millrace::core
