// What: what a lane does with a delivery that comes with its shard's block, where subscriptions
//       fall behind: deliver it, pass over it (the feeder brings it later), or let it wait until
//       what is before it is done. Also the lane's own word that one falls behind: from then on its
//       deliveries are passed over, and the shard is told with the first of them (BehindAsk).
// Threads: the lane's. Lifetime: borrows the table.
// Limits: what waits here holds its job open, and is bounded by the lane (lane.h).
// Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/behind_table.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/pending_attempts.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::runtime {

class BehindGate {
public:
    enum class Way : std::uint8_t { kDeliver, kPassOver, kWait };

    // Null: nobody ever falls behind.
    explicit BehindGate(const BehindTable* table) : table_(table) {}

    // Nobody is behind: no need to ask.
    bool open() const { return fallen_.empty() && (!seen_ || seen_->size() == 0); }
    // At the beginning of each job and turn. True: what waits may be tried again.
    bool refresh();
    Way way_of(core::SubscriptionId subscription, core::LogPosition position);

    // From now on it is behind, in every shard.
    void fall(core::SubscriptionId subscription, std::size_t shards);
    // One of these was passed over: what its shard has to be told, if it was not yet.
    void tell(core::SubscriptionId subscription, core::ShardId shard, std::vector<BehindAsk>& asks);

    void wait(core::SubscriptionId subscription, core::ShardId shard,
              const WaitingDelivery& delivery);
    std::size_t waiting() const { return waiting_count_; }
    // The subscription of which most wait, and how many.
    std::pair<core::SubscriptionId, std::size_t> longest() const;
    // Those of one that wait, to be tried again; after refresh() or fall().
    bool has_ready() const { return !ready_.empty(); }
    const WaitingDelivery& first_ready() const { return ready_.front(); }
    WaitingDelivery take_ready();
    void clear();

private:
    using Key = std::pair<std::uint32_t, std::uint16_t>;
    // Set by the shard when it knows; null: it was not told yet.
    using Taken = std::shared_ptr<std::atomic<bool>>;
    const BehindEverywhere::Place* place(const Key& key) const;
    void let_out(std::map<Key, std::deque<WaitingDelivery>>::iterator at);

    const BehindTable* table_;
    std::uint64_t version_ = 0;
    std::shared_ptr<const BehindSnapshot> seen_;
    std::map<Key, Taken> fallen_;
    std::map<Key, std::deque<WaitingDelivery>> waiting_;
    std::size_t waiting_count_ = 0;
    std::deque<WaitingDelivery> ready_;
};

}  // namespace millrace::runtime
