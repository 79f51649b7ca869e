#include "runtime/server/server_parts.h"

#include "matcher/regex/regex_file.h"
#include "runtime/delivery/delivery_tracker.h"
#include "runtime/executors/command_executor.h"
#include "runtime/executors/rule_scripts.h"
#include "runtime/executors/script_executor.h"
#include "runtime/executors/webhook_executor.h"
#include "runtime/feed/block_matcher.h"
#include "runtime/identity/limits.h"
#include "runtime/lua/lua_vm.h"
#include "runtime/orchestrator/workflow_executor.h"
#include "runtime/server/data_folder.h"
#include "runtime/server/part_options.h"
#include "runtime/server/process_figures.h"
#include "store/database.h"
#include "store/retention/space_guard.h"
#include "store/rows/quarantine.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <set>
#include <thread>
#include <utility>

namespace millrace::runtime {

namespace {

std::uint64_t seed_from_system() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

std::size_t core_count() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace

ServerParts::ServerParts(const core::Config& configuration, core::Log& log_lines,
                         ServerSeams its_seams)
    : config(configuration),
      log(log_lines),
      seams(std::move(its_seams)),
      clock(seams.clock ? *seams.clock : real_clock),
      random(seams.seed ? *seams.seed : seed_from_system()),
      set_aside(log),
      delivery_log(log, due_clock),
      shard_count(count_or_cores(configuration.engine.shards, core::kShardsMax)),
      lane_count(count_or_cores(configuration.engine.lanes, core::kLanesMax)) {}

ServerParts::~ServerParts() {
    stop_threads();
    conductor.drop_tasks();
}

core::Status ServerParts::plan_process() {
    if (auto checked = check_data_folder(config.data.dir); !checked) return checked;
    keep_data_folder_private(config.data.dir);
    auto plan = plan_descriptors(raise_descriptor_limit(), shard_count, config.http);
    if (!plan) return core::fail(std::move(plan.error()));
    descriptors = *plan;
    return {};
}

void ServerParts::say_opening() {
    const store::Database::Opening& found = database->opening();
    core::MetricsRole& figures = metrics.role();
    figures.gauge(core::Metric::kRecovered).set(found.left_by.empty() ? 0 : 1);
    figures.gauge(core::Metric::kFormatUpgraded).set(found.format_before == 0 ? 0 : 1);
    if (!found.left_by.empty()) {
        log.warn(
            "recovered: the process before did not close the data folder; everything that was "
            "acknowledged is there, what was under way is delivered again",
            {{"process", found.left_by}, {"data", config.data.dir}});
    }
    if (found.format_before != 0) {
        log.warn(
            "the data folder was written in an older format and is now in the current one; an "
            "older millrace can't open it any more",
            {{"before", found.format_before},
             {"now", store::kFormatVersion},
             {"rows moved", found.rows_moved}});
    }
}

core::Status ServerParts::open_store() {
    store::Database::Options options;
    options.path = config.data.dir;
    options.shards = shard_count;
    if (config.engine.shards == 0)
        options.shards_are = store::Database::Options::Shards::kSuggested;
    options.clock = &clock;
    read_store_options(config.store, options);
    if (descriptors) options.open_files_max = descriptors->store_files_max;
    options.hash_seed = seams.seed;
    if (seams.adjust_store) seams.adjust_store(options);
    auto opened = store::Database::open(options);
    if (!opened) return core::fail(std::move(opened.error()));
    database = std::move(*opened);
    say_opening();
    space_watch = std::make_unique<SpaceWatch>(database->space(), metrics, log);
    space_watch->begin();
    // The folder is ours from here. The registry's expressions are compiled when it is read.
    if (!seams.adjust_store)
        matcher::use_regex_file(matcher::RegexFile::open(config.data.dir + "/regex"));
    if (const std::size_t wanted = std::exchange(shard_count, database->shards());
        wanted != shard_count) {
        log.info(
            "the data folder keeps the number of shards it was made with",
            {{"shards", std::to_string(shard_count)}, {"cores", std::to_string(core_count())}});
    }
    database->quarantine().observe([this](const store::Quarantine::Row& row) {
        set_aside.add(store::family_name(row.family), row.key,
                      core::Error(core::ErrorCode::kInternal, row.reason));
    });
    registry_rows = std::make_unique<StoreRegistryRows>(*database, set_aside);
    if (auto told = tell_losses(); !told) return told;
    store::LogWriter::Options writer_options;
    writer_options.producers = shard_count;
    writer_options.wake = [this](std::size_t producer) { shards[producer]->wake(); };
    writer_options.on_fatal = [this] {
        log.error("the store has failed: nothing is acknowledged any more",
                  {{"reason", database->fatal_reason()}});
    };
    writer = std::make_unique<store::LogWriter>(*database, writer_options);
    return {};
}

// What --accept-loss has accepted, for those who ask later why something is missing.
core::Status ServerParts::tell_losses() {
    for (const std::string& loss : database->losses()) {
        log.error("started although something is missing, as --accept-loss says",
                  {{"missing", loss}});
        std::string entry;
        core::JsonWriter json(entry);
        json.begin_object().field("action", "acceptLoss").field("kind", "store");
        json.field("id", "log").field("by", "operator").field("missing", loss).end_object();
        auto told = registry_rows->commit({}, {}, clock.wall_us(), core::TenantId{}, entry);
        if (!told) return told;
    }
    return {};
}

// Secrets are sealed on disk. The simulator, which has no folder, leaves them as they are.
core::Status ServerParts::open_seal() {
    if (seams.adjust_store) return {};
    const core::SecretsConfig& secrets = config.secrets;
    auto key = secrets.key_file.empty()
                   ? read_seal_key(config.data.dir + "/secrets.key", MissingKey::kMake)
                   : read_seal_key(secrets.key_file, MissingKey::kRefuse);
    if (!key) return core::fail(std::move(key.error()));
    sealed_rows = std::make_unique<SealedRegistryRows>(*registry_rows, clock, std::move(*key));
    return {};
}

core::Status ServerParts::open_registry() {
    Registry::Options options;
    read_registry_options(config.retry, config.script, options);
    options.quota_defaults = quota_defaults(config.quota);
    options.schema_mode_default =
        parse_schema_mode(config.schema.default_mode).value_or(SchemaMode::kReject);
    options.check_script = [](const std::string& name, const std::string& source) {
        return check_lua_syntax(source, name);
    };
    options.check_spec = [](const matcher::SubscriptionSpec& spec) -> core::Status {
        matcher::Matcher trial(
            matcher::Matcher::Options{.background_thread = false, .samples = false});
        return trial.add(core::SubscriptionId(1), core::TenantId(0), spec);
    };
    if (auto sealed = open_seal(); !sealed) return sealed;
    RegistryRows& rows = sealed_rows ? static_cast<RegistryRows&>(*sealed_rows) : *registry_rows;
    auto opened = Registry::open(rows, clock, random, std::move(options));
    if (!opened) return core::fail(std::move(opened.error()));
    registry = std::move(*opened);
    if (auto completed = complete_subscriptions(); !completed) return completed;
    if (auto restored = restore_receivers(); !restored) return restored;

    matcher = std::make_unique<matcher::Matcher>(
        matcher::Matcher::Options{.background_thread = seams.matcher_thread});
    std::vector<matcher::Matcher::Item> items;
    const RegistrySnapshotRef snapshot = registry->snapshot();
    sources.load(snapshot->sources);
    sources.load(snapshot->tenants);
    schemas.load(snapshot->schemas);
    states = std::make_unique<StateBook>(*database, shard_count);
    snapshot->subscriptions.for_each([&](const SubscriptionRef& subscription) {
        if (subscription->active && subscription->closing == Closing::kNo)
            items.push_back({subscription->number, subscription->tenant, subscription->spec.get()});
    });
    if (!matcher->load(items)) load_one_by_one(*snapshot);
    matcher->publish();
    return {};
}

core::Status ServerParts::share_descriptors() {
    if (!descriptors) return {};
    // The folder may have another number of shards than was planned with.
    auto plan = plan_descriptors(descriptors->limit, shard_count, config.http);
    if (!plan) return core::fail(std::move(plan.error()));
    descriptors = *plan;
    // So many are enough for most: then it is no warning.
    constexpr std::size_t kFewConnections = 1024;
    const bool few = plan->connections_capped && plan->connections_max < kFewConnections;
    log.write(few ? core::LogLevel::kWarn : core::LogLevel::kInfo,
              few ? "fewer connections than http.connections_max: the limit of open files (ulimit "
                    "-n) has no room for more"
                  : "open files are shared out",
              {{"limit", plan->limit},
               {"reserve", plan->reserve},
               {"connectionsPerShard", plan->connections_max}},
              core::LogSite::current());
    return {};
}

// One that the matcher does not take any more must not keep the others out.
void ServerParts::load_one_by_one(const RegistrySnapshot& snapshot) {
    snapshot.subscriptions.for_each([&](const SubscriptionRef& subscription) {
        if (!subscription->active) return;
        auto added =
            matcher->replace(subscription->number, subscription->tenant, *subscription->spec);
        if (!added) set_aside.add("subscription", subscription->id, added.error());
    });
}

core::Status ServerParts::build_edge() {
    if (auto built = build_courier(); !built) return built;
    EngineServices::Deps deps;
    deps.clock = &clock;
    deps.random = &random;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.registry = registry.get();
    deps.sources = &sources;
    deps.schemas = &schemas;
    deps.states = states.get();
    deps.matcher = matcher.get();
    deps.conductor = &conductor;
    deps.sideline = &sideline;
    deps.set_aside = &set_aside;
    deps.behind = &behind;
    deps.cancelled = &cancelled;
    deps.actions = actions.get();
    deps.trial_slot = watchdog.add_slot();
    deps.canaries = &canaries;
    deps.behind_orders = &behind_orders;
    deps.due = &due_clock;
    deps.tester = tester.get();
    deps.outside_figures = [this](std::vector<api::ExecutorFigures>& out) {
        append_outside_figures(out);
    };
    deps.haul = &haul;
    deps.server = &state;
    RetentionChore::Deps keeping;
    keeping.clock = &clock;
    keeping.log = &log;
    keeping.database = database.get();
    keeping.haul = &haul;
    keeping.floors = [this] {
        std::vector<core::LogOffset> floors = feeder->replays().floors();
        const std::vector<core::LogOffset> behind_floors = behind.floors(shard_count);
        floors.resize(shard_count, kNotLive);
        for (std::size_t i = 0; i < shard_count; ++i)
            floors[i] = std::min(floors[i], behind_floors[i]);
        return floors;
    };
    if (auto read = read_retention_rules(config.retention, keeping); !read) return read;
    retention = std::make_unique<RetentionChore>(std::move(keeping));
    deps.retention = retention.get();
    deps.yield = seams.yield;
    deps.event_bytes_max = static_cast<std::size_t>(config.events.event_bytes_max);
    deps.backup_folder =
        config.backup.dir.empty() ? config.data.dir + "/backups" : config.backup.dir;
    keys = std::make_unique<KeyDirectory>(
        KeyDirectory::Deps{&clock, &log, database.get(), registry.get(), &key_ring});
    if (auto started = keys->start(); !started) return started;
    sources.use_default_holder(keys->holder_of(core::TenantId{}));
    deps.keys = keys.get();
    deps.security = &security;
    deps.sessions = &sessions;
    deps.session_ttl_us = config.auth.session_ttl_us;
    services = std::make_unique<EngineServices>(deps);
    rest = std::make_unique<api::Api>(*services);
    auto names = identity::HostNames::make(config.http.listen, config.http.hosts);
    if (!names) return core::fail(std::move(names.error()));
    auto cors = identity::CorsOrigins::make(config.http.cors_origins);
    if (!cors) return core::fail(std::move(cors.error()));
    authenticator = std::make_unique<identity::Authenticator>(
        std::move(*names), seams.tenant_of, &key_ring, &clock, std::move(*cors), &sessions);
    conductor.add_chore([this] { return keys->write_uses(); });
    conductor.add_chore([this] { return tell_security(); });
    conductor.add_chore([this] { return space_watch->do_work(); });
    verifier = std::make_unique<MatchVerifier>(config.matcher.verify_fraction, *registry,
                                               matcher->register_reader(), log, metrics);
    conductor.add_chore([this] { return delivery_log.tell_left_out(clock.monotonic_ns()); });
    if (verifier->every() != 0) conductor.add_chore([this] { return verifier->do_work(); });
    return {};
}

// Into the first shard's log: there are few of them, and their order is told by their times.
std::size_t ServerParts::tell_security() {
    const std::vector<identity::SecurityEvent> events = security.take();
    if (events.empty() || state.draining.load(std::memory_order_relaxed)) return 0;
    std::string lines;
    std::vector<core::TenantId> tenants;
    for (const identity::SecurityEvent& event : events) {
        lines += event.text + "\n";
        tenants.push_back(event.tenant);
        if (event.audit_entry.empty()) continue;
        const auto written =
            registry->write_audit(clock.wall_us(), event.tenant, event.audit_entry);
        if (!written) log.warn("audit: write failed", {{"error", written.error().message}});
    }
    shards.front()->post([lines = std::move(lines), tenants = std::move(tenants)](Shard& shard) {
        shard.take_own_events(lines, tenants);
    });
    return events.size();
}

core::Status ServerParts::build_shards() {
    if (auto shared = share_descriptors(); !shared) return shared;
    for (std::size_t i = 0; i < shard_count; ++i) {
        auto reactor = seams.make_reactor ? seams.make_reactor(clock)
                                          : io::Reactor::create(reactor_options(config.io), clock);
        if (!reactor) return core::fail(std::move(reactor.error()));
        if (i == 0) export_process_figures(metrics, MILLRACE_VERSION, (*reactor)->backend_name());
        if (i == 0 && !(*reactor)->fallback_reason().empty()) {
            log.warn("io_uring is refused; using epoll",
                     {{"reason", (*reactor)->fallback_reason()}});
        }
        Shard::Deps shard;
        shard.number = core::ShardId(static_cast<std::uint16_t>(i));
        shard.shards = shard_count;
        shard.clock = &clock;
        shard.log = &log;
        shard.metrics = &metrics;
        shard.database = database.get();
        shard.writer = writer.get();
        shard.api = rest.get();
        shard.authenticator = authenticator.get();
        shard.query_keys = query_keys_of(config.auth);
        shard.security = &security;
        shard.console = console;
        shard.sources = &sources;
        shard.schemas = &schemas;
        shard.states = states.get();
        shard.rules = make_rule_runner();
        shard.uplink = services.get();
        shard.server = &state;
        shard.reactor = std::move(*reactor);
        shard.http = http_limits(config.http);
        shard.lines = line_limits(config.socket, config.events);
        if (descriptors) {
            shard.http.connections_max = descriptors->connections_max;
            shard.lines.connections_max =
                std::min(shard.lines.connections_max, descriptors->connections_max);
        }
        shard.event_bytes_max = static_cast<std::size_t>(config.events.event_bytes_max);
        shard.batch_events_max = static_cast<std::size_t>(config.events.batch_events_max);
        shard.queue_bytes_max = static_cast<std::size_t>(config.engine.queue_bytes);
        shard.durability = durability_of(config.store);
        shard.linger_us_max = config.store.linger_us;
        shard.matcher_reader = matcher->register_reader();
        shard.verifier = verifier.get();
        shard.behind = &behind;
        shard.registry_revision = [this] { return registry->version(); };
        shards.push_back(std::make_unique<Shard>(std::move(shard)));
    }
    return {};
}

// For one thread: what asks scripts whether an event may come in.
std::unique_ptr<RuleRunner> ServerParts::make_rule_runner() {
    RuleScripts::Deps deps;
    deps.add_slot = [this] { return watchdog.add_slot(); };
    deps.clock = &clock;
    deps.kv = &database->kv();
    deps.registry = [this] { return registry->snapshot(); };
    deps.registry_version = [this] { return registry->version(); };
    deps.seed = random.next();
    return std::make_unique<RuleScripts>(deps);
}

// What deliveries are made with, and steps of workflows.
ExecutorSet ServerParts::make_executors(LuaWatchdogSlot* slot, std::uint64_t seed,
                                        AnswerPort& port) {
    ExecutorSet set;
    set[static_cast<std::size_t>(ExecutorType::kScript)] = std::make_unique<ScriptExecutor>(
        ScriptExecutor::Deps{
            slot, &log, seed, static_cast<std::size_t>(config.events.event_bytes_max), http(),
            outside ? static_cast<OutsidePort*>(outside.get()) : actions.get(), &canaries},
        port);
    if (courier::HttpPort* port_out = http()) {
        WebhookExecutor::Deps deps;
        deps.clock = &clock;
        deps.enabled = config.executors.webhook.enabled;
        deps.http = port_out;
        deps.endpoints = &endpoints;
        deps.watchdog_slot = slot;
        deps.seed = seed;
        set[static_cast<std::size_t>(ExecutorType::kWebhook)] =
            std::make_unique<WebhookExecutor>(deps, port);
    }
    if (commands) {
        CommandExecutor::Deps deps;
        deps.clock = &clock;
        deps.enabled = config.executors.command.enabled;
        deps.commands = commands.get();
        deps.running_max = static_cast<std::uint32_t>(config.executors.command.limit);
        set[static_cast<std::size_t>(ExecutorType::kCommand)] =
            std::make_unique<CommandExecutor>(deps, port);
    }
    return set;
}

std::unique_ptr<Lane> ServerParts::make_lane(std::size_t number, const BehindTable* table,
                                             std::optional<std::size_t> call_lane) {
    Lane::Deps lane;
    lane.number = static_cast<std::uint32_t>(number);
    lane.shards = shard_count;
    lane.queue_events_max = static_cast<std::size_t>(config.engine.queue_events);
    lane.run.clock = &clock;
    lane.run.hasher = &database->hasher();
    lane.run.kv = &database->kv();
    lane.run.pools = &database->pools();
    lane.run.metrics = &metrics;
    lane.run.due = &due_clock;
    lane.run.shards = shard_count;
    lane.run.behind = table;
    lane.run.log = &delivery_log;
    lane.run.cancelled = &cancelled;
    lane.run.drain = [this](const DrainRequest& request) { feeder->parked().drain(request); };
    lane.run.registry = [this] { return registry->snapshot(); };
    lane.run.pause = [this](core::TenantId tenant, const std::string& subscription_id) {
        services->pause_later(tenant, subscription_id);
    };
    lane.run.may_store = [this](core::TenantId tenant, std::size_t bytes) -> core::Status {
        const auto holder = sources.holder_of(tenant);
        return holder ? identity::may_store(*holder, static_cast<std::int64_t>(bytes))
                      : core::Status{};
    };
    lane.run.schemas = &schemas;
    lane.run.states = states.get();
    lane.run.rules = std::shared_ptr<RuleRunner>(make_rule_runner());
    lane.run.seed = random.next();
    LuaWatchdogSlot* const slot = watchdog.add_slot();
    lane_slots.push_back(slot);
    lane.make_executors = [this, slot, seed = lane.run.seed](AnswerPort& port) {
        ExecutorSet set = make_executors(slot, seed, port);
        WorkflowExecutor::Deps deps;
        deps.clock = &clock;
        deps.enabled = config.executors.workflow.enabled;
        deps.orchestrator = [this] { return orchestrator.get(); };
        set[static_cast<std::size_t>(ExecutorType::kWorkflow)] =
            std::make_unique<WorkflowExecutor>(std::move(deps), port);
        if (seams.adjust_executors) seams.adjust_executors(set, port);
        return set;
    };
    lane.registry = [this] { return registry->snapshot(); };
    lane.registry_version = [this] { return services->registry_version(); };
    for (auto& shard : shards) lane.results.push_back(shard.get());
    if (call_lane) {
        lane.calls = call_queue.get();
        lane.call_lane = *call_lane;
    }
    return std::make_unique<Lane>(std::move(lane));
}

core::Status ServerParts::build_lanes() {
    const auto current_registry = [this] { return registry->snapshot(); };
    for (std::size_t i = 0; i < lane_count; ++i) lanes.push_back(make_lane(i, &behind));
    const auto call_lane_count = static_cast<std::size_t>(config.engine.call_lanes);
    call_queue = std::make_unique<CallQueue>(call_lane_count, clock);
    for (std::size_t i = 0; i < call_lane_count; ++i)
        call_lanes.push_back(make_lane(lane_count + i, nullptr, i));
    call_queue->on_wake([this](std::size_t lane) { call_lanes[lane]->wake(); });
    behind.on_change([this] {
        for (const auto& lane : lanes) lane->wake();
        if (feeder) feeder->wake();
    });
    shadow = std::make_unique<ShadowLane>(
        ShadowLane::Deps{database.get(), watchdog.add_slot(), random.next(), &schemas});
    Feeder::Deps deps;
    deps.shadow = shadow.get();
    deps.clock = &clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.registry = current_registry;
    deps.lanes = lane_count;
    deps.submit_aside = [this](std::uint32_t lane, std::unique_ptr<LaneJob>& job) {
        return lanes[lane]->submit_aside(job);
    };
    deps.restore_head = [this](std::uint32_t lane, const KeyedDelivery& delivery) {
        lanes[lane]->key_order().restore_head(delivery);
    };
    deps.restore_parked = [this](std::uint32_t lane, core::SubscriptionId subscription,
                                 std::uint32_t key_hash) {
        return lanes[lane]->key_order().restore_parked(subscription, key_hash);
    };
    deps.give_cold = [this](core::ShardId shard, std::unique_ptr<ColdBlock>& block) {
        return shards[shard.value]->take_cold(block);
    };
    deps.delivered = [this](core::ShardId shard) { return shards[shard.value]->cursor(); };
    deps.appended = [this](core::ShardId shard) { return shards[shard.value]->next_offset(); };
    deps.looked = [this](IngestRequest& request) {
        shards[request.edge.value]->looked(request);
    };
    deps.matcher_reader = matcher->register_reader();
    deps.due = &due_clock;
    deps.behind = &behind;
    deps.behind_shards = &behind_orders;
    feeder = std::make_unique<Feeder>(std::move(deps));
    if (auto loaded = feeder->load_done(); !loaded) return loaded;
    if (auto loaded = load_cancelled(); !loaded) return loaded;
    if (auto loaded = load_canaries(); !loaded) return loaded;
    const auto find_version = [this](core::TenantId tenant, std::string_view id,
                                     std::uint32_t version) -> ScriptRef {
        for (const ScriptRef& script : registry->script_versions(tenant, id)) {
            if (script->version == version) return script;
        }
        return nullptr;
    };
    if (auto loaded = feeder->replays().load(find_version, set_aside); !loaded) return loaded;

    std::vector<Shard*> all_shards;
    std::vector<Lane*> all_lanes;
    std::vector<LanePort*> ports;
    for (auto& shard : shards) all_shards.push_back(shard.get());
    for (auto& lane : lanes) {
        all_lanes.push_back(lane.get());
        ports.push_back(lane.get());
    }
    // The lanes of both kinds, the scheduler, and the orchestrator.
    const std::size_t senders = lanes.size() + call_lanes.size() + 2;
    for (auto& shard : shards) shard->connect(all_shards, ports, *feeder, *feeder, senders);
    if (auto built = build_scheduler(); !built) return built;
    if (auto built = build_orchestrator(); !built) return built;
    services->connect(*rest, *feeder, all_shards, all_lanes, *call_queue, *scheduler);
    services->connect_workflows({workflows.get(), run_keys.get(), orchestrator.get()});
    return services->load_runs();
}

// A document and the subscription of its own are two commits.
core::Status ServerParts::complete_subscriptions() {
    const auto complete = [this](core::TenantId tenant, const std::string& id,
                                 const std::string& body) {
        if (registry->find_subscription(tenant, id)) return;
        auto made =
            registry->table<Subscription>().create({.tenant = tenant, .completes = true}, body);
        if (!made) set_aside.add("subscription", id, made.error());
    };
    const RegistrySnapshotRef all = registry->snapshot();
    all->schedules.for_each([&](const ScheduleRef& schedule) {
        if (!schedule->executor.empty())
            complete(schedule->tenant, schedule_subscription_id(schedule->id),
                     schedule_subscription_body(*schedule));
    });
    all->hooks.for_each([&](const HookRef& hook) {
        if (hook->told())
            complete(hook->tenant, hook_subscription_id(hook->id), hook_subscription_body(*hook));
    });
    return {};
}

core::Status ServerParts::build_scheduler() {
    Scheduler::Deps deps;
    deps.clock = &clock;
    deps.log = &log;
    deps.database = database.get();
    deps.registry = [this] { return registry->snapshot(); };
    deps.shards = shard_count;
    deps.submit = [this](core::ShardId shard, std::unique_ptr<LaneResult>& result) {
        return shards[shard.value]->take_result(
            static_cast<std::uint32_t>(lane_count + call_lanes.size()), result);
    };
    // A reader of its own; it holds nothing between two looks.
    auto run_matcher = std::make_shared<BlockMatcher>(matcher->register_reader());
    run_matcher->offline();
    deps.wanted_by = [run_matcher](const store::StoredEvent& event,
                                   const RegistrySnapshot& snapshot,
                                   std::vector<core::SubscriptionId>& out) {
        run_matcher->match_one(event, snapshot, out);
        run_matcher->offline();
    };
    deps.cancelled = &cancelled;
    deps.holds = [this] { return !database->space().accepting(); };
    deps.pause = [this](const ScheduleRef& schedule, const std::string& reason) {
        conductor.post_answer([this, schedule, reason] { pause_schedule(schedule, reason); });
    };
    scheduler = std::make_unique<Scheduler>(std::move(deps));
    return scheduler->load(set_aside);
}

core::Status ServerParts::build_orchestrator() {
    RegistryRows& rows = sealed_rows ? static_cast<RegistryRows&>(*sealed_rows) : *registry_rows;
    workflows = std::make_unique<WorkflowTable>();
    registry->snapshot()->workflows.for_each([this](const WorkflowRef& workflow) {
        workflows->show(workflow->tenant, workflow->id,
                        registry->table<Workflow>().versions(workflow->tenant, workflow->id));
    });
    run_keys = std::make_unique<RunKeys>(sealed_rows ? &rows : nullptr);
    if (auto loaded = run_keys->load(); !loaded) return loaded;
    Orchestrator::Deps deps;
    deps.clock = &clock;
    deps.due = &due_clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.retention_us = config.executors.workflow.retention_us;
    deps.keys_unused_below = [this](core::TenantId tenant, std::uint32_t version) {
        conductor.post_answer([this, tenant, version] {
            if (auto dropped = run_keys->drop_below(tenant, version, clock.wall_us()); !dropped)
                log.warn("an older key of workflow runs can not be removed",
                         {{"error", dropped.error().message}});
        });
    };
    deps.workflows = workflows.get();
    deps.keys = run_keys.get();
    deps.registry = [this] { return registry->snapshot(); };
    deps.shards = shard_count;
    deps.runs_active_max = static_cast<std::size_t>(config.executors.workflow.limit);
    deps.seed = random.next();
    deps.submit = [this](core::ShardId shard, std::unique_ptr<LaneResult>& result) {
        return shards[shard.value]->take_result(
            static_cast<std::uint32_t>(lanes.size() + call_lanes.size() + 1), result);
    };
    deps.make_executors = [this, slot = watchdog.add_slot(), seed = random.next()](
                              AnswerPort& port) { return make_executors(slot, seed, port); };
    deps.actions = actions.get();
    deps.holds = [this] { return !database->space().accepting(); };
    orchestrator = std::make_unique<Orchestrator>(std::move(deps));
    return orchestrator->load(set_aside);
}

// On the conductor.
void ServerParts::pause_schedule(const ScheduleRef& schedule, const std::string& reason) {
    registry->act_as("scheduler");
    auto made = registry->table<Schedule>().amend({.tenant = schedule->tenant}, schedule->id,
                                                  "pause", [&](Schedule& next) {
                                                      next.paused = true;
                                                      next.pause_reason = reason;
                                                      return core::Status{};
                                                  });
    if (made) (void)services->registry_changed(*made);
    log.warn("a schedule was paused", {{"schedule", schedule->id}, {"reason", reason}});
}

}  // namespace millrace::runtime
