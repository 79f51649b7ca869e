// What: delivers ranges of the log again, to chosen subscriptions, marked as a replay. One block of
//       one replay at a time, so that a replay never stands in the way of fresh events; where it
//       stands is kept, so that it goes on after a restart. It comes behind the first delivery of
//       what it brings, and leaves out events whose scheduledAt has not come.
// Threads: do_work() by the feeder; the others by any.
// Lifetime: borrows all of Deps.
// Limits: kReplaysMax running at once, kReplaysPerTenantMax of a tenant; one block's deliveries
//       under way each. A dry run (shadow_lane.h) does not go on after a restart: it begins anew.
// Failure: a block that can't be read fails the replay with the reason; it can be started again.
#pragma once

#include "core/clock.h"
#include "core/event_parser.h"
#include "core/log.h"
#include "core/metrics.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/event/event_filter.h"
#include "runtime/feed/block_matcher.h"
#include "runtime/registry/set_aside.h"
#include "runtime/replay/replay_document.h"
#include "runtime/replay/shadow_lane.h"
#include "store/database.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace millrace::store {
struct RegistryDocument;
}

namespace millrace::runtime {

class ReplayRunner {
public:
    static constexpr std::size_t kReplaysMax = 16;
    static constexpr std::size_t kReplaysPerTenantMax = 8;
    static constexpr std::size_t kDryRunsKept = 8;  // whose differences are kept, a tenant

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::Database* database = nullptr;
        std::function<RegistrySnapshotRef()> registry;
        std::size_t lanes = 1;
        std::function<bool(std::uint32_t lane, std::unique_ptr<LaneJob>&)> submit_aside;
        std::function<void()> wake;
        // Dry runs; null: they are refused.
        ShadowLane* shadow = nullptr;
        // By shard: every event below has had its first outcome. Null: all have.
        std::function<core::LogOffset(core::ShardId)> delivered;
    };
    explicit ReplayRunner(Deps deps)
        : deps_(std::move(deps)),
          role_(deps_.metrics->role()),
          completed_(role_.counter(core::Metric::kReplayDeliveries, {"completed"})),
          failed_(role_.counter(core::Metric::kReplayDeliveries, {"failed"})) {}

    // Before the threads start: takes up the replays that were running.
    core::Status load(const FindScriptVersion& find, SetAside& aside);

    core::Result<std::string> start(ReplaySpec&& spec, const std::string& id);
    core::Result<ReplayProgress> progress(core::TenantId tenant, std::string_view id);
    // Returns when it is written: a replay that was told as cancelled does not come back.
    core::Status cancel(core::TenantId tenant, std::string_view id);
    std::vector<ReplayProgress> list(core::TenantId tenant);
    // By shard: what running replays still read; retention leaves it.
    std::vector<core::LogOffset> floors();

    std::size_t do_work(BlockMatcher& matcher);
    std::int64_t sleep_us_max();

private:
    static constexpr std::int64_t kPersistUs = 500'000;
    static constexpr std::int64_t kPaceTickUs = 5'000;

    struct Running {
        ReplayState state;  // progress and next: under mutex_
        std::unique_ptr<EventFilter> filter;
        std::size_t shard = 0;
        store::EventBlock block;          // being delivered
        std::vector<DeliveryItem> items;  // of the block
        std::size_t next_item = 0;
        std::vector<std::pair<std::uint32_t, std::unique_ptr<LaneJob>>> refused;
        std::unique_ptr<ShadowJob> shadow_job;  // refused
        std::atomic<std::uint32_t> under_way{0};
        std::atomic<std::uint64_t> delivered{0};
        std::atomic<std::uint64_t> failed{0};
        std::int64_t persisted_ns = 0;   // the feeder's
        std::int64_t pace_began_ns = 0;  // wall of the first event that was paced
        std::int64_t pace_first_us = 0;
        std::uint64_t paced_events = 0;
    };

    std::size_t step(Running& replay, BlockMatcher& matcher);
    bool next_block(Running& replay, BlockMatcher& matcher);
    std::size_t next_shard(const Running& replay);
    // Of an event for a replay: a part of it, no part, or one that is still to come by itself.
    enum class Share : std::uint8_t { kNone, kDeliver, kNotDue };
    Share share_of(const Running& replay, const store::StoredEvent& event);
    bool before_first_delivery(const Running& replay, const store::EventBlock& block) const;
    std::size_t deliver_due(Running& replay);
    void deliver_to_lanes(Running& replay, const std::vector<DeliveryItem>& due);
    void deliver_in_shadow(Running& replay, std::vector<DeliveryItem>&& due);
    std::string error_of(const Running& replay);
    std::shared_ptr<Running> share(const Running& replay);
    core::Status admit(core::TenantId tenant);
    void forget_old_dry_runs(core::TenantId tenant);
    core::Status take_up(const store::RegistryDocument& document, ReplayState&& state,
                         const FindScriptVersion& find);
    core::Status find_range(ReplayState& state);
    bool is_due(Running& replay, const store::StoredEvent& event);
    void flush_jobs(Running& replay);
    void settle_block(Running& replay);
    void finish(Running& replay, std::string status, std::string error);
    core::Status persist(Running& replay);
    core::Status arm(Running& replay);

    Deps deps_;
    core::EventParser parser_;  // the feeder's
    core::MetricsRole& role_;
    const core::Counter completed_, failed_;
    std::mutex persist_mutex_;  // held from the state to its write: none overtakes a newer one
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Running>, std::less<>> running_;
};

}  // namespace millrace::runtime
