// What: the agent of dry runs: takes blocks of past deliveries from the replay runner, runs them in
//       shadow (ShadowSide), compares with another version of the script or with what was recorded,
//       and keeps the differences as documents. It never touches the lanes or the log.
// Threads: do_work() its own; submit(), end() any. Lifetime: borrows all of Deps.
// Limits: kJobsMax blocks waiting (refused, the runner asks again); kDifferencesKept documents a
//       dry run, the rest is counted; one Lua state a side and run.
// Failure: a run that can't go on is told by the job's `done` with the reason.
#pragma once

#include "core/agent.h"
#include "core/event_parser.h"
#include "core/task_queue.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/replay/replay_types.h"
#include "runtime/replay/shadow_side.h"
#include "store/database.h"
#include "store/rows/executions.h"
#include "store/rows/kv_history.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kReplayDiffKind = "replay_diff";
inline constexpr std::size_t kDifferencesKept = 10'000;

struct ShadowJob {
    std::string replay_id;
    std::shared_ptr<const ShadowSpec> spec;
    store::EventBlock block;
    std::vector<DeliveryItem> items;
    RegistrySnapshotRef registry;
    // On the shadow lane's thread. `error`: the dry run can't go on; empty: it can.
    std::function<void(const ShadowTotals&, std::string error)> done;
};

class ShadowLane final : public core::Agent {
public:
    struct Deps {
        store::Database* database = nullptr;
        LuaWatchdogSlot* watchdog_slot = nullptr;
        std::uint64_t seed = 0;
        const SchemaBook* schemas = nullptr;  // may be null
        // As of ShadowSide::Deps.
        std::function<bool(core::TenantId tenant, std::string_view key)> is_elsewhere{};
    };
    explicit ShadowLane(const Deps& deps);

    std::string_view name() const override { return "shadow"; }
    std::size_t do_work() override;

    bool submit(std::unique_ptr<ShadowJob>& job);
    // The dry run is over: its states and its overlay go.
    void end(const std::string& replay_id);
    // Removes what is kept of these dry runs.
    void forget(std::vector<std::string>&& replay_ids);
    void stop_taking() { stopping_.store(true, std::memory_order_relaxed); }

private:
    static constexpr std::size_t kJobsMax = 8;
    static constexpr std::size_t kItemsPerStep = 64;
    static constexpr std::size_t kForgetPerStep = 500;

    struct Session {
        KvBaseline baseline;
        std::unique_ptr<ShadowSide> now, against;
        std::size_t kept = 0;
    };
    struct Work {
        std::unique_ptr<ShadowJob> job;
        std::size_t next_item = 0;
        ShadowTotals totals;
        store::RowBatch rows;
        std::map<std::pair<std::uint64_t, std::uint32_t>, store::Execution> recorded;
    };

    bool take_job();
    core::Status begin();
    core::Result<Session*> session();
    core::Status read_baseline(const ShadowSpec& spec, Session& session);
    void run_item(Session& session, const DeliveryItem& item);
    void end_job(std::string error);
    ShadowOutcome recorded_outcome(const store::StoredEvent& event, const DeliveryItem& item,
                                   const std::vector<std::string>& emitted_ids,
                                   std::string_view event_id);
    void keep(Session& session, const store::StoredEvent& event, std::string_view event_id,
              const Subscription& subscription, std::uint8_t differences, const ShadowOutcome& now,
              const ShadowOutcome& against);
    std::string event_id_of(const store::StoredEvent& event);
    std::size_t forget_some();

    const Deps deps_;
    core::TaskQueue<std::unique_ptr<ShadowJob>> jobs_{kJobsMax};
    std::mutex mutex_;  // of the two below
    std::vector<std::string> ended_;
    std::deque<std::string> forgotten_;
    std::atomic<bool> stopping_{false};

    std::map<std::string, Session> sessions_;
    Work work_;
    core::EventParser parser_;
    core::FieldTable fields_;
    core::FieldPlan no_fields_;
};

}  // namespace millrace::runtime
