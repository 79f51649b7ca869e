#include "runtime/key_order.h"

namespace millrace::runtime {

std::optional<std::int64_t> KeyOrder::first_waits_until(const KeyedDelivery& delivery) const {
    const auto at = entries_.find(key_of(delivery));
    if (at == entries_.end()) return std::nullopt;
    return at->second.due_at_us;
}

std::optional<std::int64_t> KeyOrder::retry_waits_until(const KeyedDelivery& delivery,
                                                        std::int64_t due_at_us,
                                                        std::int64_t now_us) {
    const auto at = entries_.find(key_of(delivery));
    if (at == entries_.end()) return std::nullopt;
    Entry& entry = at->second;
    if (!entry.blocked || entry.next >= delivery.offset) return std::nullopt;
    if (due_at_us < entry.due_at_us) return entry.due_at_us;
    // Rows come by due time and offset: the key's next should have come before this one.
    if (now_us < entry.due_at_us + kOverdueUs) return now_us + kAskAgainUs;
    entry.blocked = false;
    drop_one(at);
    return std::nullopt;
}

void KeyOrder::hold(const KeyedDelivery& delivery) {
    ++entries_[key_of(delivery)].waiting;
    count();
}

void KeyOrder::block(const KeyedDelivery& delivery, std::int64_t due_at_us, bool counted) {
    Entry& entry = entries_[key_of(delivery)];
    if (!counted) ++entry.waiting;
    entry.blocked = true;
    entry.next = delivery.offset;
    entry.due_at_us = due_at_us;
    count();
}

void KeyOrder::release(const KeyedDelivery& delivery) {
    const auto at = entries_.find(key_of(delivery));
    if (at == entries_.end()) return;
    if (at->second.blocked && at->second.next == delivery.offset) at->second.blocked = false;
    drop_one(at);
}

void KeyOrder::restore(const KeyedDelivery& delivery, std::int64_t due_at_us) {
    Entry& entry = entries_[key_of(delivery)];
    ++entry.waiting;
    if (!entry.blocked || delivery.offset < entry.next) {
        entry.blocked = true;
        entry.next = delivery.offset;
        entry.due_at_us = due_at_us;
    }
    count();
}

void KeyOrder::drop_one(std::unordered_map<std::uint64_t, Entry>::iterator at) {
    if (at->second.waiting > 1) {
        --at->second.waiting;
        return;
    }
    entries_.erase(at);
    count();
}

}  // namespace millrace::runtime
