// What: a bounded queue with many producers and one consumer, for tasks that agents hand each
//       other: moodycamel's ConcurrentQueue with a bound in front of it. Where there is one
//       producer, core/spsc_ring.h is cheaper and keeps to one order.
// Threads: try_push, push_beyond and size() any; try_pop the consumer's.
// Lifetime: what waits is destroyed with the queue.
// Limits: capacity, fixed at construction; push_beyond goes over it by what its callers bound. Each
//         producer's items come in its order; producers take turns, kTurnItems each. A push may
//         allocate until the queue has been as full once; then its blocks are used again.
// Failure: try_push returns false when full and leaves the value alone (overflow policy: refuse);
//          try_pop returns false when empty.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace millrace::core {

template <typename T>
class TaskQueue {
public:
    static constexpr std::size_t kTurnItems = 32;

    explicit TaskQueue(std::size_t capacity)
        : capacity_(capacity), queue_(Traits::BLOCK_SIZE), consumer_(queue_) {}
    TaskQueue(const TaskQueue&) = delete;
    TaskQueue& operator=(const TaskQueue&) = delete;

    bool try_push(T&& value) {
        // acq_rel: what made room for us was done by the consumer, see try_pop
        if (size_.fetch_add(1, std::memory_order_acq_rel) >= capacity_) {
            size_.fetch_sub(1, std::memory_order_relaxed);  // nothing was handed over
            return false;
        }
        queue_.enqueue(std::move(value));
        return true;
    }

    // For what somebody who was let in waits for: refused, it would never come.
    void push_beyond(T&& value) {
        size_.fetch_add(1, std::memory_order_acq_rel);  // as in try_push
        queue_.enqueue(std::move(value));
    }

    bool try_pop(T& out) {
        if (!queue_.try_dequeue(consumer_, out)) return false;
        size_.fetch_sub(1, std::memory_order_acq_rel);  // pairs with the fetch_add of a push
        return true;
    }

    // Those on their way in count: never less than what waits.
    std::size_t size() const { return size_.load(std::memory_order_acquire); }  // pairs with pushes
    bool empty() const { return size() == 0; }
    std::size_t capacity() const { return capacity_; }

private:
    struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
        // NOLINTNEXTLINE(readability-identifier-naming): the library's own name for it.
        static constexpr std::uint32_t EXPLICIT_CONSUMER_CONSUMPTION_QUOTA_BEFORE_ROTATE =
            kTurnItems;
    };

    const std::size_t capacity_;
    std::atomic<std::size_t> size_{0};
    moodycamel::ConcurrentQueue<T, Traits> queue_;
    moodycamel::ConsumerToken consumer_;
};

}  // namespace millrace::core
