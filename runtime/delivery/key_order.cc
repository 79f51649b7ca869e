#include "runtime/delivery/key_order.h"

namespace millrace::runtime {

bool KeyOrder::holds(const KeyedDelivery& delivery) const {
    const auto at = entries_.find(key_of(delivery));
    if (at == entries_.end()) return false;
    return at->second.draining || at->second.head != delivery.position;
}

void KeyOrder::park(const KeyedDelivery& delivery) {
    Entry& entry = entries_[key_of(delivery)];
    ++entry.parks;
    entry.parked_from = std::min(entry.parked_from, delivery.position);
}

void KeyOrder::block(const KeyedDelivery& delivery) {
    Entry& entry = entries_[key_of(delivery)];
    entry.draining = false;
    entry.head = delivery.position;
    count();
}

void KeyOrder::forget(core::SubscriptionId subscription) {
    std::erase_if(entries_,
                  [&](const auto& entry) { return entry.first >> 32 == subscription.value; });
    count();
}

std::optional<DrainRequest> KeyOrder::release(const KeyedDelivery& delivery) {
    const auto at = entries_.find(key_of(delivery));
    if (at == entries_.end() || at->second.draining || at->second.head != delivery.position)
        return std::nullopt;
    at->second.draining = true;
    return drain_or_drop(at);
}

bool KeyOrder::drains(const KeyedDelivery& delivery) {
    const auto at = entries_.find(key_of(delivery));
    if (at == entries_.end() || !at->second.draining) return false;
    at->second.drained_to = delivery.position;
    ++at->second.drained_to.offset.value;
    return true;
}

std::optional<DrainRequest> KeyOrder::end_drain(const DrainRequest& answered, bool complete) {
    const auto at = entries_.find(key_of(answered.subscription, answered.key_hash));
    if (at == entries_.end() || !at->second.draining) return std::nullopt;
    if (complete) at->second.drained = answered.parks;
    return drain_or_drop(at);
}

std::optional<DrainRequest> KeyOrder::drain_or_drop(Entries::iterator at) {
    Entry& entry = at->second;
    if (entry.parks == entry.drained) {
        entries_.erase(at);
        count();
        return std::nullopt;
    }
    DrainRequest request;
    request.subscription = core::SubscriptionId{static_cast<std::uint32_t>(at->first >> 32)};
    request.key_hash = static_cast<std::uint32_t>(at->first);
    // What is parked from now on may come before the place that this drain reaches.
    request.from = std::min(entry.drained_to, entry.parked_from);
    entry.parked_from = Entry{}.parked_from;
    entry.drained_to = request.from;
    request.parks = entry.parks;
    return request;
}

void KeyOrder::restore_head(const KeyedDelivery& delivery) {
    const auto [at, fresh] = entries_.try_emplace(key_of(delivery));
    if (fresh || delivery.position < at->second.head) at->second.head = delivery.position;
    count();
}

std::optional<DrainRequest> KeyOrder::restore_parked(core::SubscriptionId subscription,
                                                     std::uint32_t key_hash) {
    const auto [at, fresh] = entries_.try_emplace(key_of(subscription, key_hash));
    ++at->second.parks;
    count();
    if (!fresh) return std::nullopt;
    at->second.draining = true;
    return drain_or_drop(at);
}

}  // namespace millrace::runtime
