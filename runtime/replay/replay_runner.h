// What: delivers ranges of the log again, to chosen subscriptions, marked as a replay. A few small
//       blocks of a replay are under way at a time, or one large one, so that outcomes share their
//       commits and a replay never stands in the way of fresh events. It comes behind the first
//       delivery of what it brings, and leaves out events whose scheduledAt has not come.
//       After a start it goes on where it stood. The outcomes, which carry the replay's id and are
//       in one commit with the effects, say what was done behind the place that is on record; how
//       far that can reach is on record before it is begun (ReplayState::begun).
// Threads: do_work() by the feeder; the others by any.
// Lifetime: borrows all of Deps.
// Limits: kReplaysMax running at once, kReplaysPerTenantMax of a tenant; of one kBlocksMax blocks,
//       and kDeliveriesMax deliveries and kBytesMax where they are more than one block's; kJobsMax
//       jobs of all; replay_history.h says how many are on record. A dry run (shadow_lane.h) does
//       not go on after a restart: it begins anew.
// Failure: a block that can't be read fails the replay with the reason; it can be started again.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/feed/block_matcher.h"
#include "runtime/feed/feed_deps.h"
#include "runtime/registry/set_aside.h"
#include "runtime/replay/replay_block.h"
#include "runtime/replay/replay_choice.h"
#include "runtime/replay/replay_document.h"
#include "runtime/replay/replay_history.h"
#include "runtime/replay/replay_pace.h"
#include "runtime/replay/shadow_lane.h"
#include "store/database.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {
struct RegistryDocument;
}

namespace millrace::runtime {

class ReplayRunner {
public:
    static constexpr std::size_t kReplaysMax = 16;
    static constexpr std::size_t kReplaysPerTenantMax = 8;

    struct Deps : FeedDeps {
        core::Metrics* metrics = nullptr;
        // Dry runs; null: they are refused.
        ShadowLane* shadow = nullptr;
        // By shard: every event below has had its first outcome. Null: all have.
        std::function<core::LogOffset(core::ShardId)> delivered;
        // So far ahead of what is read the record says that it may be begun; at least a block.
        std::uint64_t begun_ahead = 1u << 18;
    };
    explicit ReplayRunner(Deps deps)
        : deps_(std::move(deps)),
          role_(deps_.metrics->role()),
          completed_(role_.counter(core::Metric::kReplayDeliveries, {"completed"})),
          failed_(role_.counter(core::Metric::kReplayDeliveries, {"failed"})) {}
    ~ReplayRunner();

    // Before the threads start: takes up the replays that were running.
    core::Status load(const FindScriptVersion& find, SetAside& aside);

    // Of a range of time, or (spec.ranges) of the log. One that is there and was asked for with the
    // same body is not begun a second time; another one of that id is kConflict.
    core::Result<std::string> start(ReplaySpec&& spec, const std::string& id);
    static core::Error asked_otherwise(std::string_view id);
    core::Result<ReplayProgress> progress(core::TenantId tenant, std::string_view id);
    // Returns when it is written: a replay that was told as cancelled does not come back.
    // `beside`: what goes into the commit that ends it.
    core::Status cancel(core::TenantId tenant, std::string_view id,
                        const std::function<void(store::RowBatch&)>& beside = {});
    // Behind the key that a page before it gave.
    core::Result<ReplayPage> list(core::TenantId tenant, std::string_view behind,
                                  std::size_t limit);
    // By shard: what running replays still read; retention leaves it.
    std::vector<core::LogOffset> floors();

    std::size_t do_work(BlockMatcher& matcher);
    std::int64_t sleep_us_max();

private:
    static constexpr std::int64_t kPersistUs = 500'000;
    static constexpr std::int64_t kPaceTickUs = 5'000;
    static constexpr std::size_t kBlocksMax = 32;
    static constexpr std::size_t kDeliveriesMax = 1024;
    static constexpr std::size_t kBytesMax = 4u << 20;
    static constexpr std::size_t kJobsMax = 128;
    static constexpr std::size_t kEventsPerTurn = 256;  // are read, or one block

    struct Running {
        ReplayState state;  // progress, next, begun: under mutex_
        std::unique_ptr<ReplayChoice> choice;
        // The feeder's, in the order of the log within a shard. Changed under mutex_.
        std::deque<std::shared_ptr<ReplayBlock>> blocks;
        std::vector<core::LogOffset> read;     // by shard: the next block's; changed under mutex_
        std::vector<core::LogOffset> allowed;  // by shard: `begun` as it is on the disk
        std::vector<core::LogOffset> kept;     // by shard: `next` as it is there; under mutex_
        std::vector<core::LogOffset> asked;  // by shard: an earlier process may have begun up to it
        std::vector<std::pair<std::uint32_t, std::unique_ptr<LaneJob>>> refused;
        std::unique_ptr<ShadowJob> shadow_job;  // refused
        ReplayPacer pacer;
        std::atomic<std::uint32_t> jobs{0};  // under way
        std::atomic<std::uint64_t> deliveries{0};
        std::atomic<std::uint64_t> bytes{0};
        std::string ending, ending_error;  // the status it ends with, when nothing is under way
        std::int64_t persisted_ns = 0;     // the feeder's
        bool settled_some = false;         // since then
    };
    struct UnderWay {
        std::uint64_t deliveries = 0;
        std::uint64_t bytes = 0;
    };

    std::size_t step(Running& replay, BlockMatcher& matcher);
    bool is_cancelled(const Running& replay);
    bool waits_to_be_read(const Running& replay) const;
    void drop_refused(Running& replay);
    std::size_t next_block(Running& replay, BlockMatcher& matcher);
    std::size_t next_shard(const Running& replay);
    bool may_begin(Running& replay, const store::EventBlock& block);
    bool before_first_delivery(const Running& replay, const store::EventBlock& block) const;
    void take_block(Running& replay, store::EventBlock&& events, BlockMatcher& matcher);
    bool has_room(const Running& replay, const UnderWay& more) const;
    std::size_t deliver_due(Running& replay, ReplayBlock& block);
    void deliver_to_lanes(Running& replay, ReplayBlock& block,
                          const std::vector<DeliveryItem>& due);
    void deliver_in_shadow(Running& replay, ReplayBlock& block, std::vector<DeliveryItem>&& due);
    void begin_job(Running& replay, ReplayBlock& block, const UnderWay& job);
    void end_job(Running& replay, ReplayBlock& block, const UnderWay& job);
    bool flush_jobs(Running& replay);
    std::size_t settle_blocks(Running& replay);
    void count(const ReplayBlock& block) const;
    std::string error_of(const Running& replay);
    ReplayProgress progress_of(const Running& replay) const;
    std::shared_ptr<Running> share(const Running& replay);
    core::Status admit(core::TenantId tenant);
    core::Result<bool> is_there(const ReplaySpec& spec, const std::string& id);
    void remember(const ReplayState& state);
    void forget_old_dry_runs(core::TenantId tenant);
    core::Status take_up(const store::RegistryDocument& document, ReplayState&& state,
                         const FindScriptVersion& find);
    core::Status find_range(ReplayState& state);
    void finish(Running& replay, const std::string& status, const std::string& error);
    core::Status persist(
        Running& replay, const std::vector<ReplayHistory::Entry>& leaving = {},
        const std::function<void(store::RowBatch&, std::string_view id)>& beside = {});
    core::Status arm(Running& replay);

    Deps deps_;
    core::MetricsRole& role_;
    const core::Counter completed_, failed_;
    std::atomic<std::size_t> jobs_{0};  // under way, of all
    std::mutex persist_mutex_;  // held from the state to its write: none overtakes a newer one
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Running>, std::less<>> running_;
    ReplayHistory history_;
};

}  // namespace millrace::runtime
