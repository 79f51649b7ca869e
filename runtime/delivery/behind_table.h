// What: which subscriptions have fallen behind, and where. A subscription is live, or, in a shard
//       of the log, behind: then lanes pass over its deliveries there, and the feeder reads the log
//       for it from its own place on (behind_feed.h). It comes back to live where its place meets
//       the shard's: from `live_from` on its deliveries come with the shard's blocks again, and
//       wait in the lanes until those before are done.
// Threads: changes by the shard they concern (its thread owns the rows), forget() and load() before
//       or beside them; all else any.
// Lifetime: outlives shards, lanes and feeder.
// Limits: one entry a subscription and shard. Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/registry/registry_snapshot.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

inline constexpr core::LogOffset kNotLive{std::numeric_limits<std::uint64_t>::max()};

// One subscription, as the lanes see it.
struct BehindEverywhere {
    struct Place {
        bool behind = false;
        core::LogOffset live_from = kNotLive;
    };
    std::vector<Place> by_shard;
};

using BehindSnapshot = NumberedTable<BehindEverywhere>;

class BehindTable {
public:
    // One subscription in one shard.
    struct Place {
        core::SubscriptionId subscription;
        core::ShardId shard;
        core::LogOffset from;  // everything before it has been handled
        core::LogOffset live_from = kNotLive;
        std::uint64_t begun = 0;  // counts its falls: a place that was left and begun again differs
    };

    BehindTable() : snapshot_(std::make_shared<const BehindSnapshot>()) {}
    BehindTable(const BehindTable&) = delete;
    BehindTable& operator=(const BehindTable&) = delete;

    // Before the threads start: who wants to know of changes.
    void on_change(std::function<void()> tell) { tell_ = std::move(tell); }

    // True: it was live there, and its place is to be written down. It falls from `from`.
    bool begin(core::SubscriptionId subscription, core::ShardId shard, core::LogOffset from);
    void advance(core::SubscriptionId subscription, core::ShardId shard, core::LogOffset from);
    void rejoin(core::SubscriptionId subscription, core::ShardId shard, core::LogOffset live_from);
    // True: it was there.
    bool end(core::SubscriptionId subscription, core::ShardId shard);

    bool find(core::SubscriptionId subscription, core::ShardId shard, Place& out) const;
    std::vector<Place> places() const;
    // The lowest place of each shard; kNotLive where nobody is behind.
    std::vector<core::LogOffset> floors(std::size_t shards) const;

    // Deliveries that lanes have passed over and the feeder has not brought yet: a figure.
    void add_waiting(core::SubscriptionId subscription, core::ShardId shard, std::int64_t change);
    std::uint64_t waiting() const;
    // Of each subscription that is behind, once a shard.
    void visit_waiting(const std::function<void(core::SubscriptionId, std::uint64_t)>& visit) const;

    std::uint64_t version() const {
        return version_.load(std::memory_order_acquire);  // pairs with publish()
    }
    std::shared_ptr<const BehindSnapshot> snapshot() const;

private:
    struct Entry {
        Place place;
        std::int64_t waiting = 0;
    };
    using Key = std::pair<std::uint32_t, std::uint16_t>;
    void publish(core::SubscriptionId subscription);

    mutable std::mutex mutex_;
    std::map<Key, Entry> entries_;
    std::uint64_t falls_ = 0;
    std::shared_ptr<const BehindSnapshot> snapshot_;
    std::atomic<std::uint64_t> version_{0};
    std::function<void()> tell_;
};

// The cursor that keeps a place: "behind:12".
inline constexpr std::string_view kBehindCursorPrefix = "behind:";
std::string behind_cursor(core::SubscriptionId subscription);

}  // namespace millrace::runtime
