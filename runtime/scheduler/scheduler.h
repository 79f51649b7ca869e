// What: the agent that lets schedules fire. It knows each schedule's next due time (by the wall
//       clock), in one order; a due time costs the same however many there are. What fires goes to
//       a shard as one result: the event, its line in the ledger and the next due time are one
//       commit. The event's id is a hash of schedule and time, so that a repeat is a duplicate.
// Threads: do_work() its own; changed(), trigger(), backfill(), look() any; load() before the
//       threads start.
// Lifetime: borrows all of Deps.
// Limits: kFiringsPerTurn schedules a turn; one result a shard and turn, of about
//       kEmitBytesPerTurn, kept when its ring is full (nothing further is begun then). No firing
//       while the disk is nearly full: it comes late.
// Failure: a state row that does not read is set aside and the schedule begins anew from its
//       document.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/result.h"
#include "core/task_queue.h"
#include "runtime/delivery/cancelled_events.h"
#include "runtime/delivery/ports.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/set_aside.h"
#include "runtime/scheduler/run_look.h"
#include "runtime/scheduler/schedule_state.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::runtime {

class Scheduler final : public core::Agent {
public:
    static constexpr std::int64_t kLateUs = 10'000'000;  // later than that, CatchUp decides

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        store::Database* database = nullptr;
        std::function<RegistrySnapshotRef()> registry;
        std::size_t shards = 1;
        // False when the shard's ring is full.
        std::function<bool(core::ShardId, std::unique_ptr<LaneResult>&)> submit;
        // See RunLookDeps.
        std::function<void(const store::StoredEvent&, const RegistrySnapshot&,
                           std::vector<core::SubscriptionId>&)>
            wanted_by;
        // Null: what waits for an earlier run is never cancelled.
        CancelledEvents* cancelled = nullptr;
        // Nothing may be begun now.
        std::function<bool()> holds;
        // The server pauses one by itself.
        std::function<void(const ScheduleRef&, std::string reason)> pause;
    };
    explicit Scheduler(Deps deps);

    core::Status load(SetAside& aside);

    std::string_view name() const override { return "scheduler"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;

    void changed(const DocumentChange<Schedule>& change);
    // Fires now, whatever the schedule's own times; `done` gets the event's id when it is durable,
    // on a shard's thread.
    using Triggered = std::function<void(core::Result<std::string>&&)>;
    // `beside`: what goes into the commit; here and in backfill() called by the scheduler.
    using Beside = std::function<void(store::RowBatch&)>;
    void trigger(const ScheduleRef& schedule, Beside beside, Triggered done);
    // The times in (after, to] once more, under its own rule for overlaps.
    using Accepted = std::function<void(core::Status&&)>;
    void backfill(const ScheduleRef& schedule, const Backfill& asked, Beside beside, Accepted done);

    struct Look {
        std::int64_t due_us = 0;  // 0: never again
        std::int64_t last_run_us = 0;
        std::uint64_t fired = 0;
        std::uint64_t skipped = 0;
    };
    std::optional<Look> look(ScheduleNumber number) const;

    // From now on nothing new is begun.
    void stop_firing() { stopping_.store(true, std::memory_order_relaxed); }

private:
    static constexpr std::size_t kFiringsPerTurn = 512;
    static constexpr std::size_t kTimesPerTurn = 64;            // of one schedule
    static constexpr std::size_t kEmitBytesPerTurn = 4u << 20;  // of a shard
    static constexpr std::int64_t kPollUs = 100'000;            // whether a run is over
    static constexpr std::int64_t kHeldUs = 2'000;

    struct Entry {
        ScheduleRef schedule;
        ScheduleState state;
        std::int64_t fire_us = 0;  // its due time and jitter
        std::int64_t wake_us = 0;  // where it stands in the order; 0: it does not
        std::int64_t looked_us = 0;
    };
    // What a turn has gathered for a shard.
    struct Gathered {
        std::unique_ptr<LaneResult> result;
        std::string emits;
    };
    enum class Verdict : std::uint8_t { kFire, kSkip, kWait };

    // scheduler.cc
    void take_up(Entry& entry, const ScheduleRef& schedule, std::int64_t now_us);
    void take_start(Entry& entry, std::int64_t now_us, store::RowBatch& rows);
    void forget(std::uint32_t number);
    void set_due(Entry& entry, std::optional<std::int64_t> due_us);
    static std::int64_t wake_of(const Entry& entry, std::int64_t now_us);
    void order(Entry& entry, std::int64_t now_us);
    bool send();
    bool is_full() const;
    Gathered& gather(const Entry& entry);
    bool is_over_limit(const Entry& entry) const;

    // scheduler_turn.cc
    void turn(Entry& entry, std::int64_t now_us);
    void take_due(Entry& entry, std::int64_t now_us);
    void make_up(Entry& entry, std::int64_t now_us);
    void take_waiting(Entry& entry, std::int64_t now_us);
    void take_backfill(Entry& entry, std::int64_t now_us);
    void meet(Entry& entry, const ScheduleRun& run, Overlap overlap, std::string_view rule,
              std::int64_t now_us);
    Verdict judge(Entry& entry, Overlap overlap, std::int64_t now_us, std::string& why);
    bool is_running(Entry& entry, std::int64_t now_us);
    void cancel_running(Entry& entry, std::int64_t now_us);
    void fire(Entry& entry, const ScheduleRun& run, std::string_view rule, std::int64_t now_us);
    void skip(Entry& entry, const ScheduleRun& run, std::string_view rule, std::int64_t now_us);
    std::string_view held_because(const Entry& entry) const;

    const Deps deps_;
    RunLookDeps run_look_;
    core::TaskQueue<std::function<void()>> asked_{0};
    mutable std::mutex mutex_;  // entries_, for look()
    std::unordered_map<std::uint32_t, Entry> entries_;
    std::set<std::pair<std::int64_t, std::uint32_t>> order_;  // wake_us, number
    std::vector<Gathered> gathered_;                          // by shard
    std::atomic<bool> stopping_{false};
};

}  // namespace millrace::runtime
