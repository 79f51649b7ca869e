// What: what feeder and API ask of the shards about subscriptions that are behind, posted to the
//       shards' threads.
// Threads: any. Lifetime: borrows the shards. Limits: as many orders as there are turns of the
//       feeder and calls. Failure: none.
#pragma once

#include "runtime/feed/behind_feed.h"
#include "runtime/server/shard.h"

#include <memory>
#include <vector>

namespace millrace::runtime {

class BehindOrders final : public BehindShards {
public:
    explicit BehindOrders(const std::vector<std::unique_ptr<Shard>>& shards) : shards_(shards) {}

    void post(core::ShardId shard, const BehindOrder& order) {
        shards_[shard.value]->post([order](Shard& one) { one.obey(order); });
    }
    void post_all(const BehindOrder& order) {
        for (const auto& shard : shards_) shard->post([order](Shard& one) { one.obey(order); });
    }

    core::LogOffset delivered(core::ShardId shard) override {
        return shards_[shard.value]->cursor();
    }
    core::LogOffset handed_over(core::ShardId shard) override {
        return shards_[shard.value]->handed_over();
    }
    void fall(core::SubscriptionId subscription, core::ShardId shard) override {
        post(shard, {BehindOrder::Kind::kFall, subscription, {}, 0});
    }
    void advance(const BehindTable::Place& place, core::LogOffset to) override {
        post(place, BehindOrder::Kind::kAdvance, to);
    }
    void rejoin(const BehindTable::Place& place, core::LogOffset at) override {
        post(place, BehindOrder::Kind::kRejoin, at);
    }
    void call_off(const BehindTable::Place& place) override {
        post(place, BehindOrder::Kind::kCallOff, {});
    }
    void end(const BehindTable::Place& place, core::LogOffset at) override {
        post(place, BehindOrder::Kind::kEnd, at);
    }
    void forget(const BehindTable::Place& place) override {
        post(place, BehindOrder::Kind::kForget, {});
    }
    void settle(core::ShardId shard) override { post(shard, BehindOrder{}); }

private:
    void post(const BehindTable::Place& place, BehindOrder::Kind kind, core::LogOffset at) {
        post(place.shard, {kind, place.subscription, at, place.begun});
    }

    const std::vector<std::unique_ptr<Shard>>& shards_;
};

}  // namespace millrace::runtime
