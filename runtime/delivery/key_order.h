// What: which partition keys of which subscriptions are held up on this lane, because a delivery of
//       theirs waits for its retry (the head). Until it has ended, well or as a dead letter, later
//       deliveries of the key are parked: a row each, on disk, that nobody touches while they wait.
//       Then the parked ones are drained: read back in their order and run, until one of them fails
//       and becomes the head. So a handler sees a key's events in their order. All deliveries of a
//       key run on one lane, so the table needs no lock; another key is never held up (two keys
//       share an entry only when their 32-bit hashes agree).
// Threads: one lane's; restore_*() before the threads start; keys() any.
// Lifetime: value.
// Limits: kKeysMax keys held up; a failure beyond that does not hold its key.
// Failure: none.
#pragma once

#include "core/ids.h"

#include <algorithm>
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
    core::LogPosition position;
};

// Asks for a key's parked deliveries, when everything that the lane did so far is durable.
struct DrainRequest {
    core::SubscriptionId subscription;
    std::uint32_t key_hash = 0;
    core::LogPosition from;
    std::uint64_t parks = 0;  // the entry's, when it was made
};

class KeyOrder {
public:
    static constexpr std::size_t kKeysMax = 1u << 18;

    bool empty() const { return entries_.empty(); }
    bool has_room() const { return entries_.size() < kKeysMax; }
    std::size_t keys() const { return keys_.load(std::memory_order_relaxed); }

    // Whether another delivery of its key comes first.
    bool holds(const KeyedDelivery& delivery) const;
    // It is parked.
    void park(const KeyedDelivery& delivery);
    // It failed and waits for its retry: the key's head.
    void block(const KeyedDelivery& delivery);
    // It was the head and has ended. What is parked is to be drained.
    std::optional<DrainRequest> release(const KeyedDelivery& delivery);

    // It was removed: nothing waits for it.
    void forget(core::SubscriptionId subscription);

    // Draining: whether the next parked one may run; said of each, in order.
    bool drains(const KeyedDelivery& delivery);
    // The answer to a request is worked off; `complete`: it held all that was visible.
    std::optional<DrainRequest> end_drain(const DrainRequest& answered, bool complete);

    // At start, the heads first: a row that waits for its retry, and a key with parked rows.
    void restore_head(const KeyedDelivery& delivery);
    std::optional<DrainRequest> restore_parked(core::SubscriptionId subscription,
                                               std::uint32_t key_hash);

private:
    struct Entry {
        bool draining = false;  // else `head` waits for its retry
        core::LogPosition head;
        core::LogPosition drained_to;  // parked rows before it were taken,
        core::LogPosition parked_from{core::ShardId{UINT16_MAX}, core::LogOffset{UINT64_MAX}};
        std::uint64_t parks = 0;    // rows parked so far
        std::uint64_t drained = 0;  // `parks` of the last complete drain
    };
    using Entries = std::unordered_map<std::uint64_t, Entry>;
    static std::uint64_t key_of(core::SubscriptionId subscription, std::uint32_t key_hash) {
        return (std::uint64_t{subscription.value} << 32) | key_hash;
    }
    static std::uint64_t key_of(const KeyedDelivery& delivery) {
        return key_of(delivery.subscription, delivery.key_hash);
    }
    std::optional<DrainRequest> drain_or_drop(Entries::iterator at);
    void count() { keys_.store(entries_.size(), std::memory_order_relaxed); }  // a figure

    Entries entries_;
    std::atomic<std::size_t> keys_{0};
};

}  // namespace millrace::runtime
