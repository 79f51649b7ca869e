// What: the engine as the REST resources and the shards' faces see it: turns their wishes into
//       calls on registry, matcher, feeder, lanes and streams.
// Threads: api::Services on the conductor; ShardUplink on the shards' threads.
// Lifetime: borrows the engine's parts.
// Limits: the conductor's task queue; beyond it the edge answers 503.
// Failure: Results; a change that does not get through to all shards is an Error.
#pragma once

#include "matcher/matcher.h"
#include "runtime/api/api.h"
#include "runtime/api/services.h"
#include "runtime/delivery/call_queue.h"
#include "runtime/delivery/lane.h"
#include "runtime/graphql/graphql_streams.h"
#include "runtime/grpc/grpc_streams.h"
#include "runtime/server/action_calls.h"
#include "runtime/server/behind_orders.h"
#include "runtime/server/change_spread.h"
#include "runtime/server/compile_desk.h"
#include "runtime/server/conductor.h"
#include "runtime/server/delivery_tester.h"
#include "runtime/server/key_directory.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/memory_watch.h"
#include "runtime/server/retention_chore.h"
#include "runtime/server/shard.h"
#include "runtime/server/sideline.h"
#include "runtime/shard/feeder.h"
#include "runtime/stream/event_tail.h"
#include "runtime/stream/stats_series.h"
#include "runtime/stream/stats_tail.h"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace::runtime {

class EngineServices final : public api::Services, public ShardUplink {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Random* random = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::Database* database = nullptr;
        Registry* registry = nullptr;
        SourceBook* sources = nullptr;
        EdgeBook* edge_book = nullptr;
        SchemaBook* schemas = nullptr;
        StateBook* states = nullptr;
        matcher::Matcher* matcher = nullptr;
        const MemoryWatch* memory = nullptr;
        StreamBounds stream_bounds{};
        Conductor* conductor = nullptr;
        Sideline* sideline = nullptr;
        Sideline* haul = nullptr;
        Sideline* compiler = nullptr;
        const ServerState* server = nullptr;
        RetentionChore* retention = nullptr;
        SetAside* set_aside = nullptr;
        BehindTable* behind = nullptr;
        CancelledEvents* cancelled = nullptr;
        OutsidePort* actions = nullptr;
        LinkAgent* links = nullptr;
        hub::BatchDesk* edges = nullptr;
        LuaWatchdogSlot* trial_slot = nullptr;
        CanaryTable* canaries = nullptr;
        BehindOrders* behind_orders = nullptr;
        const DueClock* due = nullptr;
        KeyDirectory* keys = nullptr;
        const identity::TrustedFront* front = nullptr;  // of a node, where there is one
        identity::SecurityEvents* security = nullptr;
        DeliveryTester* tester = nullptr;
        const api::ToldSettings* settings = nullptr;
        identity::SessionTable* sessions = nullptr;
        std::int64_t session_ttl_us = 0;
        // What the executors beside scripts are at.
        std::function<void(std::vector<api::ExecutorFigures>&)> outside_figures{};
        std::string backup_folder{};
        std::size_t event_bytes_max = core::kEventBytesMax;
        // While a change is waited for: the processor is the others'. Null: by the system.
        std::function<void()> yield;
        // Of a partition whose events are spread by key; else null. What other partitions ask;
        // and, of a subscription whose home is another one, its pausing: true, it sees to it.
        std::function<void(const api::ApiRequest&, const api::Respond&)> cross{};
        std::function<bool(core::TenantId, const std::string& subscription_id)> pause_at_home{};
        // What was changed here by itself is theirs too: they look at once.
        std::function<void()> tell_neighbours{};
    };
    explicit EngineServices(const Deps& deps);

    // Before the threads start, once the rest exists.
    void connect(api::Api& api, Feeder& feeder, std::span<Shard* const> shards,
                 std::span<Lane* const> lanes, CallQueue& calls, Scheduler& scheduler);
    // Before the threads start: what was kept by an earlier process.
    core::Status load_runs() { return runs_.load(*deps_.set_aside); }
    // Behind the end of the threads: what was told and is not written yet.
    void store_runs() { runs_.store_all(); }
    EventTail& tail() { return *tail_; }
    std::uint64_t registry_version() const { return changes_.version(); }

    // api::Services
    const core::Clock& clock() override { return *deps_.clock; }
    core::Random& random() override { return *deps_.random; }
    core::Log& log() override { return *deps_.log; }
    core::Metrics& metrics() override { return *deps_.metrics; }
    store::Database& database() override { return *deps_.database; }
    Registry& registry() override { return *deps_.registry; }
    const SourceBook& sources() override { return *deps_.sources; }
    const SchemaBook& schemas() override { return *deps_.schemas; }
    StateBook* schema_states() override { return deps_.states; }
    matcher::Matcher::Reader& matcher_reader() override { return reader_; }
    void note_security(identity::SecurityKind kind, core::TenantId tenant,
                       std::string_view payload) override {
        deps_.security->note(kind, tenant, payload, deps_.clock->monotonic_ns());
    }
    identity::SessionTable* sessions() override { return deps_.sessions; }
    std::int64_t session_ttl_us() override { return deps_.session_ttl_us; }
    const StatsSeries* stats_series() override { return &series_; }
    std::span<const api::ToldSetting> settings() override {
        if (deps_.settings == nullptr) return {};
        return *deps_.settings;
    }
    std::size_t streams_of(core::TenantId tenant) override { return tail_->streams_of(tenant); }
    CanaryTable& canaries() override { return *deps_.canaries; }
    core::Status keep_canary(const CanarySpec* spec, const CanarySpec& of) override;
    // On the conductor: a canary was given up by itself.
    void canary_rolled_back(const CanarySpec& spec);
    LuaWatchdogSlot* trial_slot() override { return deps_.trial_slot; }
    void call_action(OutsideAsk&& ask, std::function<void(OutsideAnswer&&)> done) override {
        action_calls_.call(std::move(ask), std::move(done));
    }
    CancelledEvents& cancelled_events() override { return *deps_.cancelled; }
    void let_cancelled_end(std::vector<store::OwnedRetry>&& rows,
                           std::function<void()> done) override;
    core::Status write_audit(std::int64_t at_us, core::TenantId tenant,
                             std::string_view entry) override {
        return deps_.registry->write_audit(at_us, tenant, entry);
    }
    core::Status write_promised_audit(std::int64_t at_us, core::TenantId tenant,
                                      std::string_view entry, const std::string& row_id) override {
        return deps_.registry->write_promised_audit(at_us, tenant, entry, row_id);
    }
    LogEnds log_ends() override;
    LogEnds handled_to() override;
    core::LogOffset place_of(const Subscription& subscription, core::ShardId shard) override;
    void bury(SubscriptionRef subscription, Buried done) override;
    // Of a copy: how much it was is remembered for whoever removed it in its home.
    void bury_copy(const SubscriptionRef& subscription);
    std::optional<std::uint64_t> cleared_of(core::TenantId tenant, std::string_view id) override;
    const DueClock& due_clock() override { return *deps_.due; }
    void skip_behind(core::SubscriptionId subscription,
                     const std::vector<core::LogOffset>& to) override;
    core::Status registry_changed(const RegistryChange& change) override {
        return changes_.changed(change);
    }
    void registry_undone(const RegistryChange& change) override { changes_.undone(change); }
    // Of copies: see ChangeSpread.
    core::Status copies_changed(std::span<const RegistryChange> changes) {
        return changes_.changed_all(changes);
    }
    void run_script(api::ScriptRunRequest&& request,
                    std::function<void(ScriptRunResult&&)> done) override;
    std::size_t runs_of(core::TenantId tenant) override { return calls_->runs_of(tenant); }
    const RunHistory& run_history() override { return runs_; }
    Scheduler& scheduler() override { return *scheduler_; }
    LinkAgent* links() override { return deps_.links; }
    hub::BatchDesk* edges() override { return deps_.edges; }
    void connect_workflows(const api::WorkflowServices& workflows) {
        workflows_ = workflows;
        changes_.connect_workflows(workflows);
    }
    api::WorkflowServices workflows() override { return workflows_; }
    api::EndpointTable& endpoints() override { return endpoints_; }
    api::EntityDesk& entity_desk() override { return entity_desk_; }
    api::EntityCounts& entity_counts() override { return entity_counts_; }
    void run_change(EntityChange&& change, const identity::Principal& caller,
                    std::function<void(ScriptRunResult&&)> done) override;
    void run_after(std::int64_t us, std::function<void()> work) override {
        deps_.conductor->run_at(deps_.clock->monotonic_ns() + us * 1000, std::move(work));
    }
    core::Result<std::string> start_replay(ReplaySpec&& spec) override;
    core::Result<ReplayProgress> replay(core::TenantId tenant, std::string_view id) override;
    core::Status cancel_replay(core::TenantId tenant, std::string_view id,
                               const Beside& beside) override;
    core::Result<ReplayPage> replays(core::TenantId tenant, std::string_view behind,
                                     std::size_t limit) override;
    std::optional<std::int64_t> redrive_due_us(const store::DeadLetterKey& key) override;
    std::shared_ptr<void> view_redrives() override;
    std::size_t event_bytes_max() const override { return deps_.event_bytes_max; }
    core::Status replay_dead_letters(const std::vector<store::DeadLetterKey>& keys,
                                     double per_second, const Beside& beside) override;
    bool run_aside(api::Aside length, std::function<void()> work,
                   std::function<void()> done) override;
    bool compile_aside(CompileWork work, std::function<void(bool)> done) override {
        return compiles_.compile(std::move(work), std::move(done));
    }
    void run_later(std::function<void()> work) override;
    // Any thread: whoever waits for something to be compiled is told that it will not be.
    void stop_compiling() { compiles_.stop(); }
    api::Readiness readiness() override;
    std::vector<api::ExecutorFigures> executors() override;
    void test_delivery(SubscriptionRef subscription, std::string event,
                       std::function<void(api::DeliveryTest&&)> done) override {
        deps_.tester->test(subscription, event, std::move(done));
    }
    // Any thread: a receiver wants no more.
    void pause_later(core::TenantId tenant, const std::string& subscription_id);
    std::string_view backup_folder() override { return deps_.backup_folder; }
    void append_stats(core::JsonWriter& json) override;

    // ShardUplink
    void handle_api(core::ShardId shard, api::ApiRequest&& request,
                    io::RequestToken token) override;
    void transform_hook(core::ShardId shard, std::unique_ptr<HookTransform> transform) override;
    void open_stream(core::ShardId shard, const io::Request& request, api::RouteId route,
                     const identity::Principal& principal, std::string accept) override;
    bool stream_message(core::ShardId shard, io::StreamToken stream, std::string&& text) override;
    bool open_subscription(core::ShardId shard, io::RequestToken call,
                           const identity::Principal& principal, grpc::SubscribeAsk&& ask) override;
    void stream_drained(core::ShardId shard, io::StreamToken stream) override;
    void stream_closed(core::ShardId shard, io::StreamToken stream) override;
    void events_durable() override {
        if (streams_open_.load(std::memory_order_relaxed)) deps_.conductor->wake();  // a hint
    }

private:
    void submit_call(std::unique_ptr<ScriptRunJob> run, std::string script_id,
                     std::function<void(ScriptRunResult&&)> done);
    api::Readiness ability() const;
    void append_behind(core::JsonWriter& json) const;
    void bury_leftovers();
    struct Cleared {
        core::TenantId tenant;
        std::string id;
        std::optional<std::uint64_t> count;  // none: it is under way
    };
    void open_stats(core::ShardId shard, const io::Request& request,
                    const identity::Principal& principal);
    StreamEdge stream_edge();
    core::Error too_many_wait() const;
    void open_graphql(core::ShardId shard, const io::Request& request,
                      const identity::Principal& principal, std::string accept);
    void make_tail();
    void make_graphql();
    void make_grpc();
    void make_stats_tail();
    std::size_t sample_stats();
    void begin_events(core::ShardId shard, io::RequestToken token, const std::string& accept,
                      std::string_view protocol, std::function<void(bool)> begun);
    void write_events(core::ShardId shard, io::RequestToken token, std::string bytes,
                      std::function<void(io::WriteOutcome)> written);
    void refuse_events(core::ShardId shard, io::RequestToken token, core::Error error);
    void end_events(core::ShardId shard, io::RequestToken token);
    void add_gauges();

    const Deps deps_;
    matcher::Matcher::Reader reader_;
    CompileDesk compiles_;
    ActionCalls action_calls_;
    ChangeSpread changes_;
    api::Api* api_ = nullptr;
    Feeder* feeder_ = nullptr;
    std::vector<Shard*> shards_;
    std::vector<Lane*> lanes_;
    CallQueue* calls_ = nullptr;  // of API runs
    Scheduler* scheduler_ = nullptr;
    api::WorkflowServices workflows_;
    api::EndpointTable endpoints_;
    api::EntityDesk entity_desk_;
    api::EntityCounts entity_counts_;
    RunHistory runs_;
    std::unique_ptr<EventTail> tail_;
    std::unique_ptr<graphql::GraphqlStreams> graphql_;
    std::unique_ptr<grpc::GrpcStreams> grpc_;
    std::atomic<std::size_t> message_bytes_{0};  // of its messages that wait for the conductor
    std::deque<Cleared> cleared_;                // the API thread's; the oldest first
    StatsSeries series_;
    std::unique_ptr<StatsTail> stats_tail_;
    std::int64_t sampled_ns_ = 0;
    std::atomic<bool> streams_open_{false};
    std::int64_t started_us_ = 0;
};

}  // namespace millrace::runtime
