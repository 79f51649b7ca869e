// What: brings subscriptions that are behind what they are owed, from their own places in the log,
//       and tells the shards how far they have come and when they may come back to live. One that
//       is paused or switched off keeps its place; what holds nothing for it is passed.
// Threads: do_work() by the feeder; the ends of its deliveries come from any.
// Lifetime: borrows all of Deps.
// Limits: kItemsMax deliveries of kBlocksMax blocks and kBytesMax bytes of events under way for one
//       subscription in one shard, kBytesOfAllMax for all; the others wait in the log. Overflow
//       policy: read later.
// Failure: a block that can't be read is logged and read again after kAgainUs; nothing is skipped.
#pragma once

#include "runtime/delivery/behind_table.h"
#include "runtime/feed/behind_reader.h"
#include "runtime/feed/feed_deps.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace millrace::runtime {

// What the feed asks of a shard; the shard decides.
class BehindShards {
public:
    virtual ~BehindShards() = default;
    // One past the last event before which all have been delivered or passed over.
    virtual core::LogOffset delivered(core::ShardId shard) = 0;
    // One past the last event that lanes have begun with, or will any moment.
    virtual core::LogOffset handed_over(core::ShardId shard) = 0;
    virtual void fall(core::SubscriptionId subscription, core::ShardId shard) = 0;
    virtual void advance(const BehindTable::Place& place, core::LogOffset to) = 0;
    virtual void rejoin(const BehindTable::Place& place, core::LogOffset at) = 0;
    // The rejoin takes too long: it stays behind.
    virtual void call_off(const BehindTable::Place& place) = 0;
    virtual void end(const BehindTable::Place& place, core::LogOffset at) = 0;
    virtual void forget(const BehindTable::Place& place) = 0;
    // The shard's own cursor is to be written down.
    virtual void settle(core::ShardId shard) = 0;
};

class BehindFeed {
public:
    struct Deps : FeedDeps {
        BehindTable* table = nullptr;
        BehindShards* shards = nullptr;
    };
    explicit BehindFeed(Deps deps) : deps_(std::move(deps)) {}

    std::size_t do_work();
    std::int64_t sleep_us_max() const;
    // The feeder's thread: deliveries of this one are in the lanes.
    bool under_way(core::SubscriptionId subscription) const;

private:
    static constexpr std::size_t kItemsMax = 1024;
    static constexpr std::size_t kBytesMax = 1u << 20;
    // A lane looks at all of a job of one that is aside before it looks at what came meanwhile.
    static constexpr std::size_t kJobItemsMax = 1024;
    static constexpr std::size_t kBytesOfAllMax = 16u << 20;
    // Small ones of a slow key would take all of a lane's room for what is no shard's block.
    static constexpr std::size_t kBlocksMax = 64;
    static constexpr std::size_t kStepsPerTurn = 16;
    static constexpr std::int64_t kAgainUs = 20'000;
    static constexpr std::int64_t kLookUs = 1'000'000;  // at one that does not run
    static constexpr std::int64_t kTellUs = 200'000;
    static constexpr std::int64_t kRejoinUsMax = 200'000;

    // Deliveries of one block, until the outcome of all of them is durable.
    struct Flight {
        core::LogOffset first, end;
        std::size_t items = 0;
        std::size_t bytes = 0;
        std::atomic<std::size_t> parts_left{0};
        std::atomic<bool> left_out{false};
    };
    struct Place {
        BehindTable::Place place;
        core::TenantId tenant;  // as it was when the place was taken over: whose turn it is
        core::LogOffset next;   // to be read
        core::LogOffset told;   // how far the shard knows
        std::int64_t told_ns = 0;
        std::int64_t not_before_ns = 0;
        std::int64_t rejoins_since_ns = 0;  // when live_from was set
        std::unique_ptr<BehindReader> reader;
        std::deque<std::shared_ptr<Flight>> flights;
        std::deque<std::pair<std::uint32_t, std::unique_ptr<LaneJob>>> refused;
        std::size_t items = 0;
        std::size_t bytes = 0;
        bool stopped = false;  // something was left out: begin again when nothing is under way
    };
    using Key = std::pair<std::uint32_t, std::uint16_t>;
    using Places = std::map<Key, Place>;

    // The places of one tenant, and which of them was served last.
    struct OfTenant {
        std::set<Key> places;
        Key last{};
    };

    void take_over();
    Places::iterator drop(Places::iterator at);
    Place& next_place();
    bool step(Place& at, const RegistrySnapshot& registry);
    bool land(Place& at);
    bool pass_off_periods(Place& at, const Subscription& subscription);
    bool read(Place& at, const RegistrySnapshot& registry, const Subscription& subscription,
              bool held);
    bool caught_up(Place& at);
    std::unique_ptr<LaneJob> make_job(const OwedDeliveries& owed,
                                      std::span<const std::size_t> chosen,
                                      core::SubscriptionId subscription);
    void launch(Place& at, OwedDeliveries&& owed);
    bool submit_refused(Place& at);
    void tell(Place& at);
    bool wait(Place& at, std::int64_t us);

    const Deps deps_;
    std::uint64_t version_ = 0;
    Places places_;
    std::map<std::uint32_t, OfTenant> tenants_;  // they take turns
    std::uint32_t last_tenant_ = 0;              // served last
    std::size_t bytes_ = 0;
    bool busy_ = false;  // somebody could be brought something soon
};

}  // namespace millrace::runtime
