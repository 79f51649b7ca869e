// What: what a server is made of, in the order in which it is built; destruction runs the other
//       way.
// Threads: built and destroyed by one; each agent then has its own.
// Lifetime: each member borrows those above it.
// Limits: none of its own. Failure: build steps return what went wrong.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/random.h"
#include "io/tls/ticket_keys.h"
#include "matcher/matcher.h"
#include "runtime/api/api.h"
#include "runtime/api/console_file.h"
#include "runtime/api/told_settings.h"
#include "runtime/courier/courier.h"
#include "runtime/delivery/call_queue.h"
#include "runtime/delivery/delivery_log.h"
#include "runtime/delivery/lane.h"
#include "runtime/executors/action_caller.h"
#include "runtime/executors/canary_table.h"
#include "runtime/executors/command_runner.h"
#include "runtime/executors/database_client.h"
#include "runtime/executors/endpoints.h"
#include "runtime/hub/batch_desk.h"
#include "runtime/hub/forwarder.h"
#include "runtime/identity/authenticator.h"
#include "runtime/identity/session_table.h"
#include "runtime/links/link_agent.h"
#include "runtime/lua/lua_watchdog.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/registry/copied_rows.h"
#include "runtime/registry/registry.h"
#include "runtime/registry/registry_rows.h"
#include "runtime/registry/schema_book.h"
#include "runtime/registry/sealed_rows.h"
#include "runtime/registry/source_book.h"
#include "runtime/registry/spread_rows.h"
#include "runtime/registry/state_book.h"
#include "runtime/replay/shadow_lane.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/server/behind_orders.h"
#include "runtime/server/conductor.h"
#include "runtime/server/descriptors.h"
#include "runtime/server/engine_services.h"
#include "runtime/server/key_directory.h"
#include "runtime/server/memory_watch.h"
#include "runtime/server/partition_seat.h"
#include "runtime/server/server.h"
#include "runtime/server/server_crossing.h"
#include "runtime/server/shard.h"
#include "runtime/server/sideline.h"
#include "runtime/server/space_watch.h"
#include "runtime/server/store_agents.h"
#include "runtime/shard/feeder.h"
#include "runtime/telemetry/exporter.h"
#include "store/commit/log_writer.h"
#include "store/database.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::runtime {

// What the simulator puts in the place of the machine; production leaves it as it is.
struct ServerSeams {
    const core::Clock* clock = nullptr;  // null: the machine's
    std::optional<std::uint64_t> seed;   // none: drawn from the system
    // Null: sockets of the kernel.
    std::function<core::Result<std::unique_ptr<io::Reactor>>(const core::Clock&)> make_reactor;
    bool matcher_thread = true;  // false: rebuilds happen in the conductor's do_work()
    std::function<void(store::Database::Options&)> adjust_store;
    // Changes a lane's executors before its thread starts.
    std::function<void(ExecutorSet&, AnswerPort&)> adjust_executors;
    courier::HttpPort* http = nullptr;  // null: calls go out by the courier
    // Several tenants without a key: the simulator has them before anybody else does.
    identity::Authenticator::TenantOf tenant_of;
    std::function<void()> yield;          // called where the conductor waits for other agents
    const PartitionSeat* seat = nullptr;  // of a cluster; null: this server stands alone
};

class ServerParts {
public:
    ServerParts(const core::Config& configuration, core::Log& log_lines, ServerSeams seams = {});
    ~ServerParts();

    // What the process needs before anything is opened: a folder that may be ours, descriptors.
    // The simulator, which has neither, leaves it out.
    core::Status plan_process();
    core::Status open_store();
    core::Status tell_losses();
    core::Status open_registry();
    core::Status open_seal();
    core::Status build_courier();
    core::Status build_edge();
    core::Status build_shards();
    core::Status build_lanes();
    core::Status listen();
    // The files of tls.* as they are now, for all connections to come. What can not be served with
    // changes nothing.
    core::Status reload_tls(const core::TlsConfig& tls);
    void start_threads();
    // One that compiles an expression, searches or copies the folder for long is left where it is:
    // it can't be interrupted. Destruction waits for it.
    void stop_threads();
    // Stops taking requests, lets deliveries under way end and makes the cursors durable. `pause`
    // is called while others must do their part. False: somebody was in a hurry, the time was over,
    // or a handler still runs.
    bool drain(const std::function<bool()>& hurry, const std::function<void()>& pause);

    const core::Config config;
    core::Log& log;
    const ServerSeams seams;
    const core::RealClock real_clock;
    const core::Clock& clock;
    const DueClock due_clock{clock};
    core::Random random;
    core::Metrics metrics;
    SetAside set_aside;
    DeliveryLog delivery_log;
    ServerState state;
    ServerAddresses addresses;
    std::size_t shard_count = 1;
    std::size_t lane_count = 1;
    std::optional<DescriptorPlan> descriptors;
    MemoryPlan memory;        // no limit until the process has been planned
    api::ConsoleSet console;  // none: nothing is at /
    api::ToldSettings settings;

    std::unique_ptr<store::Database> database;
    std::unique_ptr<store::LogWriter> writer;
    std::unique_ptr<StoreRegistryRows> registry_rows;
    // Of a partition that holds a part of every tenant's events; none, null: it is no such.
    std::optional<SpreadRule> spread_rule;
    std::unique_ptr<SpreadRegistryRows> spread_rows;
    std::unique_ptr<SealedRegistryRows> sealed_rows;
    std::unique_ptr<Registry> registry;
    SourceBook sources;
    EdgeBook edge_book;
    SchemaBook schemas;
    std::unique_ptr<StateBook> states;  // of rules of schemas
    std::unique_ptr<matcher::Matcher> matcher;
    std::unique_ptr<MatchVerifier> verifier;
    LuaWatchdog watchdog;
    Conductor conductor;
    BehindTable behind;
    // Those that the matcher does not take any more, and what they and subscriptions that do not
    // read have gone without, by shard; fixed at the start.
    std::vector<SubscriptionRef> not_matched;
    std::vector<core::LogOffset> unread_floors;
    CancelledEvents cancelled;
    CanaryTable canaries;
    // A look that waits holds its request and no page; a haul may take minutes.
    Sideline sideline{"sideline", api::kLooksWaitingMax};
    Sideline haul{"haul", api::kHaulsWaitingMax};
    Sideline compiler{"compiler", api::kLooksWaitingMax};
    Endpoints endpoints;
    std::unique_ptr<courier::Courier> courier;
    std::unique_ptr<CommandRunner> commands;
    std::unique_ptr<ActionCaller> actions;
    std::unique_ptr<DatabaseClient> database_client;
    std::unique_ptr<LinkShaper> link_scripts;       // null: the simulator has none
    std::unique_ptr<LinkAgent> links;               // likewise
    std::unique_ptr<hub::BatchDesk> edges;          // those whose hub this is
    std::unique_ptr<hub::Forwarder> forwarder;      // null: this is no edge
    std::unique_ptr<telemetry::Exporter> exporter;  // null: no collector is named
    std::unique_ptr<OutsideSwitch> outside;         // what scripts ask for by a name
    std::unique_ptr<DeliveryTester> tester;
    std::unique_ptr<RetentionChore> retention;
    std::unique_ptr<SpaceWatch> space_watch;
    std::unique_ptr<MemoryWatch> memory_watch;
    std::unique_ptr<CrossingParts> crossing;  // likewise
    std::unique_ptr<EngineServices> services;
    std::unique_ptr<api::Api> rest;
    identity::KeyRing key_ring;
    identity::SessionTable sessions;
    identity::SecurityEvents security;
    std::unique_ptr<identity::TrustedFront> front;  // of a partition of a cluster
    std::unique_ptr<KeyDirectory> keys;
    std::unique_ptr<identity::Authenticator> authenticator;
    io::TicketKeys tickets{clock};
    std::vector<std::unique_ptr<Shard>> shards;
    BehindOrders behind_orders{shards};
    std::vector<std::unique_ptr<Lane>> lanes;
    // What somebody waits for (API runs) has a thread of its own: no backlog of deliveries, and no
    // handler that goes on for long, is before it.
    std::unique_ptr<CallQueue> call_queue;
    std::vector<std::unique_ptr<Lane>> call_lanes;
    std::vector<const LuaWatchdogSlot*> lane_slots;  // of the lanes, then of those of calls
    std::unique_ptr<ShadowLane> shadow;
    std::unique_ptr<Feeder> feeder;
    std::unique_ptr<Scheduler> scheduler;
    std::unique_ptr<WorkflowTable> workflows;
    std::unique_ptr<RunKeys> run_keys;
    std::unique_ptr<Orchestrator> orchestrator;
    std::unique_ptr<WriterAgent> writer_agent;
    std::unique_ptr<HousekeeperAgent> housekeeper_agent;

    // In the order of starting.
    std::unique_ptr<core::AgentThread> writer_thread, housekeeper_thread, conductor_thread,
        feeder_thread, scheduler_thread, orchestrator_thread, courier_thread, commands_thread,
        database_thread, links_thread, link_scripts_thread, forwarder_thread, exporter_thread,
        sideline_thread, haul_thread, shadow_thread;
    std::unique_ptr<core::AgentThread> compiler_thread;  // as haul_thread: there after
                                                         // stop_threads() if it is busy
    std::vector<std::unique_ptr<core::AgentThread>> syncer_threads, lane_threads, shard_threads;

private:
    void say_opening();
    core::Status share_descriptors();
    core::Status plan_memory_of(std::uint64_t limit);
    core::Status share_memory();
    MemoryHolders memory_holders() const;
    core::Status build_tls();
    core::Result<std::vector<std::shared_ptr<io::TlsContext>>> make_tls(const core::TlsConfig& tls);
    void load_one_by_one(const RegistrySnapshot& snapshot);
    core::Status listen_one(std::string_view what, const std::string& where, std::string& bound,
                            core::Result<io::Address> (Shard::*open)(const io::Address&,
                                                                     io::ListenRole));
    core::Status build_retention();
    std::vector<core::LogOffset> kept_floors() const;
    core::Status build_authenticator();
    void add_chores();
    core::Status build_feeder();
    std::size_t tell_security();
    // server_crossing.cc
    core::Status build_crossing();
    void connect_crossing(EngineServices::Deps& deps);
    void build_follower(const PartitionSeat::ByKey& seat);
    void bound_to_partition(Registry::Options& options) const;
    bool is_at_home(core::TenantId tenant) const;
    // Until when deliveries may begin; null: for ever.
    const std::atomic<std::int64_t>* lease() const;
    void build_canary_watch(const PartitionSeat::ByKey& seat);
    void follow_canary(const SpreadRow& row);
    void tell_neighbours();
    core::Status take_copies_of(std::size_t home, SpreadRows&& rows, bool whole,
                                std::uint64_t revision);
    bool pause_at_home(core::TenantId tenant, const std::string& subscription_id);
    void cross(const api::ApiRequest& request, const api::Respond& respond);
    core::Status settle_own_subscriptions();
    core::Status complete_subscriptions();
    core::Status sweep_subscriptions();
    core::Status close_orphan(const Subscription& one, const std::vector<core::LogOffset>& ends);
    void tell_clients_left();
    core::Status settle_unread();
    void resume_unread(core::TenantId tenant, const std::string& id,
                       const std::vector<core::LogOffset>& from, store::RowBatch& rows);
    core::Status restore_receivers();
    core::Status load_cancelled();
    core::Status load_canaries();
    FindVersion find_version() const;
    void begin_canary(CanarySpec&& spec);
    core::Status build_scheduler();
    core::Status build_links();
    IntakeDeps intake_deps(std::size_t place);
    core::Status build_edges();
    core::Status build_forwarder();
    core::Status build_orchestrator();
    core::Status build_telemetry();
    void name_telemetry();
    TraceRule trace_rule() const;
    void stop_telemetry();
    std::unique_ptr<RuleRunner> make_rule_runner();
    ExecutorSet make_executors(LuaWatchdogSlot* slot, std::uint64_t seed, AnswerPort& port);
    void pause_schedule(const ScheduleRef& schedule, const std::string& reason);
    courier::HttpPort* http() { return seams.http ? seams.http : courier.get(); }
    void append_outside_figures(std::vector<api::ExecutorFigures>& out) const;
    void add_waiting(api::ExecutorFigures& figures, ExecutorType type) const;
    std::unique_ptr<Lane> make_lane(std::size_t number, const BehindTable* table,
                                    std::optional<std::size_t> call_lane = std::nullopt);
    std::unique_ptr<core::AgentThread> run(core::Agent& agent,
                                           core::AgentThread::Priority priority);
    std::unique_ptr<core::AgentThread> run(
        core::Agent& agent, int cpu = core::AgentThread::kNotPinned,
        core::AgentThread::Priority priority = core::AgentThread::Priority::kNormal);
};

}  // namespace millrace::runtime
