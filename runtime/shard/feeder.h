// What: the agent that reads the log for those who can't wait for the disk: blocks for shards whose
//       lanes lag, retries that fall due, dead letters on their way back, replays, and whether
//       events stand where ids of our own making say.
// Threads: do_work() its own; request(), look(), redrive() any. RetryFeed and ReplayRunner run on
//       its thread.
// Lifetime: borrows all of Deps.
// Limits: one block a step for each of them, so that none starves another.
// Failure: a block that can't be read is logged and asked for again after kReadRetryUs; nothing is
//       skipped.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/feed/behind_feed.h"
#include "runtime/feed/block_matcher.h"
#include "runtime/feed/burials.h"
#include "runtime/feed/feed_deps.h"
#include "runtime/feed/parked_feed.h"
#include "runtime/feed/retry_feed.h"
#include "runtime/replay/replay_runner.h"
#include "runtime/shard/place_look.h"
#include "runtime/shard/shard_dispatch.h"
#include "runtime/shard/shard_metrics.h"
#include "store/database.h"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {

class Feeder final : public core::Agent, public ColdSource, public PlaceSource {
public:
    struct Deps : FeedDeps {  // its `wake` is the feeder's own
        core::Metrics* metrics = nullptr;
        // At start: a delivery that holds up its key, and a key with parked ones.
        std::function<void(std::uint32_t lane, const KeyedDelivery&)> restore_head;
        std::function<std::optional<DrainRequest>(std::uint32_t lane, core::SubscriptionId,
                                                  std::uint32_t key_hash)>
            restore_parked;
        // Hands a block to its shard; false when the shard's ring is full.
        std::function<bool(core::ShardId, std::unique_ptr<ColdBlock>&)> give_cold;
        // See PlaceLook.
        std::function<core::LogOffset(core::ShardId)> appended;
        std::function<void(IngestRequest&)> looked;
        ShadowLane* shadow = nullptr;
        // One past the last event of a shard before which all have had their first outcome.
        std::function<core::LogOffset(core::ShardId)> delivered;
        matcher::Matcher::Reader matcher_reader;
        const DueClock* due = nullptr;
        BehindTable* behind = nullptr;
        BehindShards* behind_shards = nullptr;
    };
    explicit Feeder(Deps deps);

    // Before the threads start: which deliveries behind the cursors have their outcome already,
    // which keys wait for a retry, and which subscriptions are behind.
    core::Status load_done();

    std::string_view name() const override { return "feeder"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void request(core::ShardId shard, core::LogOffset from, core::LogOffset end,
                 std::uint32_t blocks) override;
    void look(IngestRequest& request) override;

    RetryFeed& retries() { return retries_; }
    ParkedFeed& parked() { return parked_; }
    Burials& burials() { return burials_; }
    ReplayRunner& replays() { return replays_; }
    // From now on nothing new is begun.
    void stop_feeding() { stopping_.store(true, std::memory_order_relaxed); }

private:
    static constexpr std::int64_t kReadRetryUs = 500'000;
    struct ColdRequest {
        core::ShardId shard;
        core::LogOffset from;
        std::int64_t not_before_ns = 0;
    };

    FeedDeps feed_deps();
    core::Status load_behind();
    std::size_t feed_one();
    std::unique_ptr<ColdBlock> read_and_match(const ColdRequest& request);

    Deps deps_;
    BlockMatcher matcher_;
    ShardMetrics metrics_;
    RetryFeed retries_;
    ParkedFeed parked_;
    BehindFeed behind_;
    Burials burials_;
    ReplayRunner replays_;
    PlaceLook places_;
    std::vector<DoneSet> done_;  // by shard; emptied once the shard has passed them
    std::vector<core::LogOffset> done_end_;
    std::mutex mutex_;
    std::deque<ColdRequest> requests_;
    std::unique_ptr<ColdBlock> pending_;  // refused by a full ring
    core::ShardId pending_shard_;
    std::vector<DeliveryItem> items_;
    std::atomic<bool> stopping_{false};
};

}  // namespace millrace::runtime
