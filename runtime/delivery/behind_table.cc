#include "runtime/delivery/behind_table.h"

#include <algorithm>

namespace millrace::runtime {

std::string behind_cursor(core::SubscriptionId subscription) {
    return std::string(kBehindCursorPrefix) + std::to_string(subscription.value);
}

// Under the lock: what lanes see of it is made anew.
void BehindTable::publish(core::SubscriptionId subscription) {
    std::shared_ptr<BehindEverywhere> seen;
    for (auto at = entries_.lower_bound({subscription.value, 0});
         at != entries_.end() && at->first.first == subscription.value; ++at) {
        const Place& place = at->second.place;
        if (!seen) seen = std::make_shared<BehindEverywhere>();
        if (seen->by_shard.size() <= place.shard.value)
            seen->by_shard.resize(place.shard.value + 1u);
        seen->by_shard[place.shard.value] = {true, place.live_from};
    }
    auto next = std::make_shared<BehindSnapshot>(*snapshot_);
    next->set(subscription.value, std::move(seen));
    snapshot_ = std::move(next);
    version_.fetch_add(1, std::memory_order_release);  // pairs with version()
}

bool BehindTable::begin(core::SubscriptionId subscription, core::ShardId shard,
                        core::LogOffset from) {
    bool fresh = false;
    {
        std::lock_guard lock(mutex_);
        const auto [at, made] = entries_.try_emplace({subscription.value, shard.value});
        Place& place = at->second.place;
        if (!made && place.live_from == kNotLive) return false;
        if (made) place = {subscription, shard, from, kNotLive, ++falls_};
        place.live_from = kNotLive;
        publish(subscription);
        fresh = made;
    }
    if (tell_) tell_();
    return fresh;
}

void BehindTable::advance(core::SubscriptionId subscription, core::ShardId shard,
                          core::LogOffset from) {
    std::lock_guard lock(mutex_);
    const auto at = entries_.find({subscription.value, shard.value});
    if (at != entries_.end()) at->second.place.from = std::max(at->second.place.from, from);
}

void BehindTable::rejoin(core::SubscriptionId subscription, core::ShardId shard,
                         core::LogOffset live_from) {
    {
        std::lock_guard lock(mutex_);
        const auto at = entries_.find({subscription.value, shard.value});
        if (at == entries_.end()) return;
        at->second.place.live_from = live_from;
        publish(subscription);
    }
    if (tell_) tell_();
}

bool BehindTable::end(core::SubscriptionId subscription, core::ShardId shard) {
    {
        std::lock_guard lock(mutex_);
        if (entries_.erase({subscription.value, shard.value}) == 0) return false;
        publish(subscription);
    }
    if (tell_) tell_();
    return true;
}

bool BehindTable::find(core::SubscriptionId subscription, core::ShardId shard, Place& out) const {
    std::lock_guard lock(mutex_);
    const auto at = entries_.find({subscription.value, shard.value});
    if (at == entries_.end()) return false;
    out = at->second.place;
    return true;
}

std::vector<BehindTable::Place> BehindTable::places() const {
    std::lock_guard lock(mutex_);
    std::vector<Place> out;
    out.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) out.push_back(entry.place);
    return out;
}

std::vector<core::LogOffset> BehindTable::floors(std::size_t shards) const {
    std::vector<core::LogOffset> out(shards, kNotLive);
    std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : entries_) {
        if (key.second < shards) out[key.second] = std::min(out[key.second], entry.place.from);
    }
    return out;
}

void BehindTable::add_waiting(core::SubscriptionId subscription, core::ShardId shard,
                              std::int64_t change) {
    std::lock_guard lock(mutex_);
    const auto at = entries_.find({subscription.value, shard.value});
    if (at != entries_.end())
        at->second.waiting = std::max<std::int64_t>(0, at->second.waiting + change);
}

void BehindTable::visit_waiting(
    const std::function<void(core::SubscriptionId, std::uint64_t)>& visit) const {
    std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : entries_) {
        if (entry.waiting > 0)
            visit(core::SubscriptionId(key.first), static_cast<std::uint64_t>(entry.waiting));
    }
}

std::uint64_t BehindTable::waiting() const {
    std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (const auto& [key, entry] : entries_) sum += entry.waiting;
    return static_cast<std::uint64_t>(sum);
}

std::shared_ptr<const BehindSnapshot> BehindTable::snapshot() const {
    std::lock_guard lock(mutex_);
    return snapshot_;
}

}  // namespace millrace::runtime
