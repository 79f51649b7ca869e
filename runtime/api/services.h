// What: what the REST resources need from the engine, declared by them and implemented beside the
//       server's other parts. A test gives a fake.
// Threads: every call comes on the API thread, and every callback is called on it, but for the
//       work given to run_aside() and some of run_script().
// Lifetime: outlives the Api.
// Limits: none of its own.
// Failure: Results; nothing here blocks for longer than a commit or a snapshot's way to all shards.
#pragma once

#include "core/clock.h"
#include "core/json_writer.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/random.h"
#include "core/result.h"
#include "matcher/matcher.h"
#include "runtime/api/endpoint_table.h"
#include "runtime/api/entity_counts.h"
#include "runtime/api/entity_desk.h"
#include "runtime/api/told_settings.h"
#include "runtime/delivery/behind_table.h"
#include "runtime/delivery/cancelled_events.h"
#include "runtime/delivery/due_clock.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/delivery/run_history.h"
#include "runtime/entity/change.h"
#include "runtime/hub/batch_desk.h"
#include "runtime/identity/principal.h"
#include "runtime/identity/security_events.h"
#include "runtime/identity/session_table.h"
#include "runtime/links/link_agent.h"
#include "runtime/registry/registry.h"
#include "runtime/registry/schema_book.h"
#include "runtime/registry/source_book.h"
#include "runtime/registry/state_book.h"
#include "runtime/replay/replay_types.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/stream/stats_series.h"
#include "store/database.h"
#include "store/log/event_id.h"
#include "store/rows/retry_schedule.h"
#include "store/rows/row_batch.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {
class CanaryTable;
struct CanarySpec;
class LuaWatchdogSlot;
}  // namespace millrace::runtime

namespace millrace::runtime {
class Orchestrator;
class RunKeys;
class WorkflowTable;
}  // namespace millrace::runtime

namespace millrace::runtime::api {

struct Readiness {
    bool ready = true;
    std::string reason;  // "draining", "recovering: shard 1 at 10 of 20", "read-only: ..."
    // Stored documents that can not be read: how many, and the first of them.
    std::size_t set_aside = 0;
    std::vector<SetAside::Row> set_aside_rows = {};
};

// POST /v2/script/run.
struct ScriptRunRequest {
    ScriptRef script;
    identity::Principal caller;
    std::string input_json;  // {"query":{},"body":{}}
    std::optional<EndpointCall> endpoint;
    std::string trace;  // that it came with (request_trace.h); empty: none
};

// GET /v2/executors.
struct ExecutorFigures {
    std::string_view type;  // "script"
    bool enabled = true;
    std::uint64_t running = 0;
    std::uint64_t limit = 0;          // running at once
    std::uint64_t waiting = 0;        // deliveries
    std::uint64_t breakers_open = 0;  // subscriptions whose receiver is left alone for a while
};

// What came of POST /v2/subscriptions/{id}/test.
struct DeliveryTest {
    core::Status status;  // an Error is the HTTP error of the call
    bool delivered = false;
    std::string_view outcome;  // as of an attempt: completed | failed | ...
    std::string error;
    std::string result_json;  // empty: none
    std::string delivery_id;
    std::int64_t duration_us = 0;
};

// What runs aside: a look that somebody waits for, or something that may take minutes.
enum class Aside : std::uint8_t { kLook, kHaul };
// So many of them wait. A look that waits holds its request and no page; a haul may take minutes.
inline constexpr std::size_t kLooksWaitingMax = 512;
inline constexpr std::size_t kHaulsWaitingMax = 32;

// What workflows need: their versions, the keys of their runs, whoever lets runs go on.
struct WorkflowServices {
    WorkflowTable* table = nullptr;
    RunKeys* keys = nullptr;
    Orchestrator* orchestrator = nullptr;
};

class Services {
public:
    virtual ~Services() = default;

    virtual const core::Clock& clock() = 0;
    virtual core::Random& random() = 0;
    virtual core::Log& log() = 0;
    virtual core::Metrics& metrics() = 0;
    virtual store::Database& database() = 0;
    virtual Registry& registry() = 0;
    // For the tenant's log (identity/security_events.h).
    virtual void note_security(identity::SecurityKind, core::TenantId, std::string_view) {}
    // Null: nobody gets a session.
    virtual identity::SessionTable* sessions() { return nullptr; }
    virtual std::int64_t session_ttl_us() { return 0; }
    // Null: nothing is sampled.
    virtual const StatsSeries* stats_series() { return nullptr; }
    // As they were at the start.
    virtual std::span<const ToldSetting> settings() { return {}; }
    // Event streams that a tenant has open.
    virtual std::size_t streams_of(core::TenantId) { return 0; }
    // A line of the audit log for a change that has no document.
    virtual core::Status write_audit(std::int64_t at_us, core::TenantId tenant,
                                     std::string_view entry) {
        store::RowBatch batch;
        batch.put_audit(at_us, tenant, entry);
        return database().write_now(batch);
    }
    // One that was promised with the change itself (registry/promised_audit.h).
    virtual core::Status write_promised_audit(std::int64_t at_us, core::TenantId tenant,
                                              std::string_view entry, const std::string&) {
        return write_audit(at_us, tenant, entry);
    }
    virtual const SourceBook& sources() = 0;
    virtual const SchemaBook& schemas() = 0;
    // Of their rules; null: nobody keeps any.
    virtual StateBook* schema_states() { return nullptr; }
    // The API thread's own.
    virtual matcher::Matcher::Reader& matcher_reader() = 0;

    // By shard, the offset that the next event will get at the earliest: what a new subscription
    // begins at.
    virtual LogEnds log_ends() = 0;
    // By shard, the place before which everything has been handled, for whomever.
    virtual LogEnds handled_to() = 0;
    virtual const DueClock& due_clock() = 0;
    // The place before which a subscription has got everything.
    virtual core::LogOffset place_of(const Subscription& subscription, core::ShardId shard) = 0;
    // Clears away what waits for one that is closing, removes it, and tells how much that was.
    using Buried = std::function<void(core::Result<std::uint64_t>)>;
    virtual void bury(SubscriptionRef subscription, Buried done) = 0;
    // How much waited here for one that its home, another partition, has removed; nothing while
    // that is being cleared away, and of one that was removed long ago.
    virtual std::optional<std::uint64_t> cleared_of(core::TenantId, std::string_view) { return {}; }
    // What a subscription that is behind has not got before these places (kNotLive: now) it will
    // not get.
    virtual void skip_behind(core::SubscriptionId subscription,
                             const std::vector<core::LogOffset>& to) = 0;
    // Publishes the change to matcher and lanes; returns when it is effective on every shard.
    virtual core::Status registry_changed(const RegistryChange& change) = 0;
    // The same for a change that was taken back; nobody waits for it.
    virtual void registry_undone(const RegistryChange& change) = 0;

    // An endpoint's run that has changed nothing is told on the lane's thread, with its record.
    virtual void run_script(ScriptRunRequest&& request,
                            std::function<void(ScriptRunResult&&)> done) = 0;
    // Runs and calls of endpoints of a tenant that are under way or wait.
    virtual std::size_t runs_of(core::TenantId) { return 0; }
    // Of the runs that are kept.
    virtual const RunHistory& run_history() = 0;

    virtual Scheduler& scheduler() = 0;
    // Null where there are none.
    virtual LinkAgent* links() { return nullptr; }
    // Never null where the API is asked.
    virtual hub::BatchDesk* edges() { return nullptr; }
    // Null where there are none.
    virtual WorkflowServices workflows() { return {}; }
    virtual EndpointTable& endpoints() = 0;
    virtual EntityDesk& entity_desk() = 0;
    virtual EntityCounts& entity_counts() = 0;
    // Asks the hooks before a change, then commits it; the result's `entity` is what came of it.
    virtual void run_change(EntityChange&& change, const identity::Principal& caller,
                            std::function<void(ScriptRunResult&&)> done) = 0;
    // Runs `work` on the API thread when so much time has passed.
    virtual void run_after(std::int64_t us, std::function<void()> work) = 0;

    virtual core::Result<std::string> start_replay(ReplaySpec&& spec) = 0;  // its id
    virtual core::Result<ReplayProgress> replay(core::TenantId tenant, std::string_view id) = 0;
    // What a change brings into its own commit; empty: nothing.
    using Beside = std::function<void(store::RowBatch&)>;
    virtual core::Status cancel_replay(core::TenantId tenant, std::string_view id,
                                       const Beside& beside) = 0;
    // The newest first; `behind` is the key that the page before it gave.
    virtual core::Result<ReplayPage> replays(core::TenantId tenant, std::string_view behind,
                                             std::size_t limit) = 0;

    // Makes deliveries of dead letters; each leaves the queue when its delivery succeeds. 0: as
    // fast as it goes.
    // What was answered well is done after a start too. Many take several commits; what stands
    // beside them is in the first. Any thread.
    virtual core::Status replay_dead_letters(const std::vector<store::DeadLetterKey>& keys,
                                             double per_second, const Beside& beside) = 0;
    // When that one's next attempt falls due by the wall clock, us; nothing while nobody has asked
    // for it or its subscription is held. Any thread.
    virtual std::optional<std::int64_t> redrive_due_us(const store::DeadLetterKey& key) = 0;
    // Taken before letters are read, kept until redrive_due_us() was asked for each: what ends in
    // between is told as it was when the letter was read. Any thread.
    virtual std::shared_ptr<void> view_redrives() = 0;
    // Of one event, as ingest takes it.
    virtual std::size_t event_bytes_max() const { return core::kEventBytesMax; }

    virtual CanaryTable& canaries() = 0;
    // Durably: a canary as `spec` says; null: there is none of that script any more.
    virtual core::Status keep_canary(const CanarySpec* spec, const CanarySpec& of) = 0;
    // Of the thread that looks run on (run_aside): bounds the time of trials.
    virtual LuaWatchdogSlot* trial_slot() { return nullptr; }
    // `done` gets what came back, once; BUSY: there is no room.
    virtual void call_action(OutsideAsk&& ask, std::function<void(OutsideAnswer&&)> done) = 0;
    virtual CancelledEvents& cancelled_events() = 0;
    // Deliveries of a cancelled event that wait in these rows end now, but for those that are under
    // way; `done` when that is durable.
    virtual void let_cancelled_end(std::vector<store::OwnedRetry>&& rows,
                                   std::function<void()> done) = 0;

    // Runs `work` on another thread, then `done` on the API thread. Works of one length run one
    // after the other; no look waits for a haul. False: too many wait.
    virtual bool run_aside(Aside length, std::function<void()> work,
                           std::function<void()> done) = 0;
    // The same for what compiles, which nothing can interrupt and a server that ends does not wait
    // for: then `enough` becomes true, and done(false) comes at once. `work` touches nothing of the
    // server's.
    using CompileWork = std::function<void(const std::atomic<bool>& enough)>;
    virtual bool compile_aside(CompileWork work, std::function<void(bool whole)> done) = 0;
    // Runs `work` on the API thread, behind what waits there: for the next step of something long.
    virtual void run_later(std::function<void()> work) = 0;

    virtual Readiness readiness() = 0;
    virtual std::vector<ExecutorFigures> executors() = 0;
    // Makes one attempt for an event that is in no log; nothing of it is kept.
    virtual void test_delivery(SubscriptionRef subscription, std::string event,
                               std::function<void(DeliveryTest&&)> done) = 0;
    // What backups are written below.
    virtual std::string_view backup_folder() = 0;
    // Adds members to the object of GET /v2/stats: shards, lanes, queues, uptime.
    virtual void append_stats(core::JsonWriter& json) = 0;
};

}  // namespace millrace::runtime::api
