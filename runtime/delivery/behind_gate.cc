#include "runtime/delivery/behind_gate.h"

namespace millrace::runtime {

const BehindEverywhere::Place* BehindGate::place(const Key& key) const {
    const BehindEverywhere* found = seen_ ? seen_->find(key.first) : nullptr;
    if (!found || key.second >= found->by_shard.size()) return nullptr;
    const BehindEverywhere::Place& place = found->by_shard[key.second];
    return place.behind ? &place : nullptr;
}

bool BehindGate::refresh() {
    if (!table_) return false;
    // What the shard has taken up stands in the table.
    std::erase_if(fallen_, [](const auto& one) {
        return one.second && one.second->load(std::memory_order_acquire);  // pairs with the shard
    });
    if (const std::uint64_t now = table_->version(); now != version_) {
        version_ = now;
        seen_ = table_->snapshot();
        for (auto at = waiting_.begin(); at != waiting_.end();) {
            const BehindEverywhere::Place* still = place(at->first);
            const auto next = std::next(at);
            if (!still || still->live_from == kNotLive) let_out(at);
            at = next;
        }
    }
    return has_ready();
}

BehindGate::Way BehindGate::way_of(core::SubscriptionId subscription, core::LogPosition position) {
    const Key key{subscription.value, position.shard.value};
    if (fallen_.contains(key)) return Way::kPassOver;
    const BehindEverywhere::Place* behind = place(key);
    if (!behind) return Way::kDeliver;
    return position.offset < behind->live_from ? Way::kPassOver : Way::kWait;
}

void BehindGate::fall(core::SubscriptionId subscription, std::size_t shards) {
    for (std::size_t shard = 0; shard < shards; ++shard) {
        const Key key{subscription.value, static_cast<std::uint16_t>(shard)};
        const BehindEverywhere::Place* behind = place(key);
        if (!behind || behind->live_from != kNotLive) fallen_.try_emplace(key);
        if (const auto at = waiting_.find(key); at != waiting_.end()) let_out(at);
    }
}

void BehindGate::tell(core::SubscriptionId subscription, core::ShardId shard,
                      std::vector<BehindAsk>& asks) {
    const auto at = fallen_.find({subscription.value, shard.value});
    if (at == fallen_.end() || at->second) return;
    at->second = std::make_shared<std::atomic<bool>>(false);
    asks.push_back({subscription, at->second});
}

void BehindGate::wait(core::SubscriptionId subscription, core::ShardId shard,
                      const WaitingDelivery& delivery) {
    waiting_[{subscription.value, shard.value}].push_back(delivery);
    ++waiting_count_;
}

std::pair<core::SubscriptionId, std::size_t> BehindGate::longest() const {
    std::pair<core::SubscriptionId, std::size_t> most{{}, 0};
    for (const auto& [key, waiting] : waiting_) {
        if (waiting.size() > most.second) most = {core::SubscriptionId(key.first), waiting.size()};
    }
    return most;
}

void BehindGate::let_out(std::map<Key, std::deque<WaitingDelivery>>::iterator at) {
    for (const WaitingDelivery& delivery : at->second) ready_.push_back(delivery);
    waiting_.erase(at);
}

WaitingDelivery BehindGate::take_ready() {
    const WaitingDelivery delivery = ready_.front();
    ready_.pop_front();
    --waiting_count_;
    return delivery;
}

void BehindGate::clear() {
    fallen_.clear();
    waiting_.clear();
    ready_.clear();
    waiting_count_ = 0;
}

}  // namespace millrace::runtime
