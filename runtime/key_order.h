// What: which partition keys of which subscriptions have a delivery waiting for its retry on this
//       lane. Until it has ended, well or as a dead letter, later events of that key wait behind
//       it in the retry rows, so that a handler sees a key's events in their order. All deliveries
//       of a key run on one lane, so the table needs no lock; another key is never held up (two
//       keys share an entry only when their 32-bit hashes agree).
// Threads: one lane's; restore() before the threads start; keys() any.
// Lifetime: value.
// Limits: kKeysMax keys with something waiting; a failure beyond that does not hold its key.
//       What waits is in the retry rows, on disk, however much it is.
// Failure: none. A waiting row that is given up behind the table's back (its event is no longer
//       kept) is noticed when the next one of its key falls due.
#pragma once

#include "core/ids.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

namespace millrace::runtime {

// One delivery of an event that has a partition key.
struct KeyedDelivery {
    core::SubscriptionId subscription;
    std::uint32_t key_hash = 0;
    core::LogOffset offset;
};

class KeyOrder {
public:
    static constexpr std::size_t kKeysMax = 1u << 18;
    // The next of a key that has not come so long after its time was given up elsewhere.
    static constexpr std::int64_t kOverdueUs = 10'000'000;
    static constexpr std::int64_t kAskAgainUs = 100'000;

    bool empty() const { return entries_.empty(); }
    bool has_room() const { return entries_.size() < kKeysMax; }
    std::size_t keys() const { return keys_.load(std::memory_order_relaxed); }

    // A first attempt: when it may be tried, or nothing when none of its key waits.
    std::optional<std::int64_t> first_waits_until(const KeyedDelivery& delivery) const;
    // A waiting row that has fallen due at `due_at_us`: the new time when its turn has not come.
    std::optional<std::int64_t> retry_waits_until(const KeyedDelivery& delivery,
                                                  std::int64_t due_at_us, std::int64_t now_us);
    // One more waits behind the key's next.
    void hold(const KeyedDelivery& delivery);
    // It failed and is its key's next, at this time. `counted`: it was waiting before.
    void block(const KeyedDelivery& delivery, std::int64_t due_at_us, bool counted);
    // It waited, and has ended.
    void release(const KeyedDelivery& delivery);
    // At start: a row that waits.
    void restore(const KeyedDelivery& delivery, std::int64_t due_at_us);

private:
    struct Entry {
        std::uint64_t waiting = 0;  // rows
        bool blocked = false;       // `next` is known, and waits until due_at_us
        core::LogOffset next;
        std::int64_t due_at_us = 0;
    };
    static std::uint64_t key_of(const KeyedDelivery& delivery) {
        return (std::uint64_t{delivery.subscription.value} << 32) | delivery.key_hash;
    }
    void drop_one(std::unordered_map<std::uint64_t, Entry>::iterator at);
    void count() { keys_.store(entries_.size(), std::memory_order_relaxed); }  // a figure

    std::unordered_map<std::uint64_t, Entry> entries_;
    std::atomic<std::size_t> keys_{0};
};

}  // namespace millrace::runtime
