#include "runtime/server/server_parts.h"

#include "runtime/lua/lua_vm.h"
#include "store/database.h"

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

namespace millrace::runtime {

namespace {

std::uint64_t seed_from_system() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

std::size_t core_count() { return std::max(1u, std::thread::hardware_concurrency()); }

// One a core. On two cores one of each is faster: shard, lane, log writer and the clients share
// them, and a second shard only adds hand-overs (measured: bench/server_results.md).
std::size_t count_or_cores(std::int64_t configured, std::size_t max) {
    if (configured > 0) return std::min(max, static_cast<std::size_t>(configured));
    const std::size_t cores = core_count();
    return std::min(max, cores > 2 ? cores : 1);
}

store::Durability durability_of(const std::string& text) {
    if (text == "memory") return store::Durability::kMemory;
    if (text == "os") return store::Durability::kOs;
    return store::Durability::kFsync;
}

}  // namespace

ServerParts::ServerParts(const core::Config& configuration, core::Log& log_lines,
                         ServerSeams its_seams)
    : config(configuration),
      log(log_lines),
      seams(std::move(its_seams)),
      clock(seams.clock ? *seams.clock : real_clock),
      random(seams.seed ? *seams.seed : seed_from_system()),
      shard_count(count_or_cores(configuration.engine_shards, core::kShardsMax)),
      lane_count(count_or_cores(configuration.engine_lanes, core::kLanesMax)) {}

ServerParts::~ServerParts() {
    stop_threads();
    conductor.drop_tasks();
}

core::Status ServerParts::open_store() {
    store::Database::Options options;
    options.path = config.data_dir;
    options.shards = shard_count;
    if (config.engine_shards == 0)
        options.shards_are = store::Database::Options::Shards::kSuggested;
    options.clock = &clock;
    options.reserve_bytes = static_cast<std::uint64_t>(config.store_reserve_bytes);
    options.kv_history_us = config.store_kv_history_us;
    options.sync_depth_max = static_cast<std::size_t>(config.store_sync_depth_max);
    options.hash_seed = seams.seed;
    if (seams.adjust_store) seams.adjust_store(options);
    auto opened = store::Database::open(options);
    if (!opened) return core::fail(std::move(opened.error()));
    database = std::move(*opened);
    if (const std::size_t wanted = std::exchange(shard_count, database->shards());
        wanted != shard_count) {
        log.info(
            "the data folder keeps the number of shards it was made with",
            {{"shards", std::to_string(shard_count)}, {"cores", std::to_string(core_count())}});
    }
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

core::Status ServerParts::open_registry() {
    Registry::Options options;
    options.retry_default.retries_max = static_cast<std::uint32_t>(config.retry_max_retries);
    options.retry_default.initial_delay_ms = config.retry_initial_delay_us / 1000;
    options.retry_default.max_delay_ms = config.retry_max_delay_us / 1000;
    options.retry_default.backoff_factor = config.retry_backoff_factor;
    options.retry_default.jitter = config.retry_jitter ? Jitter::kSpread : Jitter::kNone;
    options.script_timeout_ms_default = config.script_timeout_us / 1000;
    options.script_memory_bytes_default = config.script_memory_bytes;
    options.check_script = [](const std::string& name, const std::string& source) {
        return check_lua_syntax(source, name);
    };
    options.check_spec = [](const matcher::SubscriptionSpec& spec) -> core::Status {
        matcher::Matcher trial(
            matcher::Matcher::Options{.background_thread = false, .samples = false});
        return trial.add(core::SubscriptionId(1), core::TenantId(0), spec);
    };
    registry_rows = std::make_unique<StoreRegistryRows>(*database);
    auto opened = Registry::open(*registry_rows, clock, random, std::move(options));
    if (!opened) return core::fail(std::move(opened.error()));
    registry = std::move(*opened);

    matcher = std::make_unique<matcher::Matcher>(
        matcher::Matcher::Options{.background_thread = seams.matcher_thread});
    std::vector<matcher::Matcher::Item> items;
    const RegistrySnapshotRef snapshot = registry->snapshot();
    snapshot->subscriptions.for_each([&](const SubscriptionRef& subscription) {
        if (subscription->active)
            items.push_back({subscription->number, subscription->tenant, subscription->spec.get()});
    });
    if (auto loaded = matcher->load(items); !loaded) return loaded;
    matcher->publish();
    return {};
}

core::Status ServerParts::build_edge() {
    EngineServices::Deps deps;
    deps.clock = &clock;
    deps.random = &random;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.registry = registry.get();
    deps.matcher = matcher.get();
    deps.conductor = &conductor;
    deps.sideline = &sideline;
    deps.haul = &haul;
    deps.server = &state;
    RetentionChore::Deps keeping;
    keeping.clock = &clock;
    keeping.log = &log;
    keeping.database = database.get();
    keeping.haul = &haul;
    keeping.floors = [this] { return feeder->replays().floors(); };
    keeping.age_us = config.retention_age_us;
    keeping.bytes = static_cast<std::uint64_t>(config.retention_bytes);
    keeping.every_us = config.retention_every_us;
    auto rules = store::parse_event_rules(config.retention_rules);
    if (!rules) return core::fail(std::move(rules.error()));
    keeping.rules = std::move(*rules);
    retention = std::make_unique<RetentionChore>(std::move(keeping));
    deps.retention = retention.get();
    deps.yield = seams.yield;
    services = std::make_unique<EngineServices>(deps);
    rest = std::make_unique<api::Api>(*services);
    verifier = std::make_unique<MatchVerifier>(config.matcher_verify_fraction, *registry,
                                               matcher->register_reader(), log, metrics);
    if (verifier->every() != 0) conductor.add_chore([this] { return verifier->do_work(); });

    for (std::size_t i = 0; i < shard_count; ++i) {
        auto reactor =
            seams.make_reactor ? seams.make_reactor(clock) : io::Reactor::create({}, clock);
        if (!reactor) return core::fail(std::move(reactor.error()));
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
        shard.uplink = services.get();
        shard.server = &state;
        shard.reactor = std::move(*reactor);
        shard.http.body_bytes_max = static_cast<std::size_t>(config.http_body_bytes_max);
        shard.http.header_bytes_max = static_cast<std::size_t>(config.http_header_bytes_max);
        shard.http.idle_ms_max = config.http_idle_timeout_us / 1000;
        shard.http.connections_max = static_cast<std::size_t>(config.http_connections_max);
        shard.lines.line_bytes_max = static_cast<std::size_t>(config.events_event_bytes_max);
        shard.event_bytes_max = static_cast<std::size_t>(config.events_event_bytes_max);
        shard.durability = durability_of(config.store_durability);
        shard.linger_us_max = config.store_linger_us;
        shard.matcher_reader = matcher->register_reader();
        shard.verifier = verifier.get();
        shards.push_back(std::make_unique<Shard>(std::move(shard)));
    }
    return {};
}

core::Status ServerParts::build_lanes() {
    const auto current_registry = [this] { return registry->snapshot(); };
    for (std::size_t i = 0; i < lane_count; ++i) {
        Lane::Deps lane;
        lane.number = static_cast<std::uint32_t>(i);
        lane.shards = shard_count;
        lane.run.clock = &clock;
        lane.run.hasher = &database->hasher();
        lane.run.kv = &database->kv();
        lane.run.pools = &database->pools();
        lane.run.metrics = &metrics;
        lane.run.event_bytes_max = static_cast<std::size_t>(config.events_event_bytes_max);
        lane.run.watchdog_slot = watchdog.add_slot();
        lane.run.drain = [this](const DrainRequest& request) { feeder->parked().drain(request); };
        lane.run.seed = random.next();
        lane.registry = current_registry;
        lane.registry_version = [this] { return services->registry_version(); };
        for (auto& shard : shards) lane.results.push_back(shard.get());
        lanes.push_back(std::make_unique<Lane>(std::move(lane)));
    }
    shadow = std::make_unique<ShadowLane>(
        ShadowLane::Deps{database.get(), watchdog.add_slot(), random.next()});
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
    deps.matcher_reader = matcher->register_reader();
    feeder = std::make_unique<Feeder>(std::move(deps));
    if (auto loaded = feeder->load_done(); !loaded) return loaded;
    const auto find_version = [this](core::TenantId tenant, std::string_view id,
                                     std::uint32_t version) -> ScriptRef {
        for (const ScriptRef& script : registry->script_versions(tenant, id)) {
            if (script->version == version) return script;
        }
        return nullptr;
    };
    if (auto loaded = feeder->replays().load(find_version); !loaded) return loaded;

    std::vector<Shard*> all_shards;
    std::vector<Lane*> all_lanes;
    std::vector<LanePort*> ports;
    for (auto& shard : shards) all_shards.push_back(shard.get());
    for (auto& lane : lanes) {
        all_lanes.push_back(lane.get());
        ports.push_back(lane.get());
    }
    for (auto& shard : shards) shard->connect(all_shards, ports, *feeder);
    services->connect(*rest, *feeder, all_shards, all_lanes);
    return services->load_runs();
}

core::Status ServerParts::listen_one(std::string_view what, const std::string& where,
                                     std::string& bound,
                                     core::Result<io::Address> (Shard::*open)(const io::Address&,
                                                                              io::ListenRole)) {
    auto address = io::Address::parse(where);
    if (!address) return core::fail(std::move(std::move(address.error()).in(std::string(what))));
    if (!address->is_loopback()) {
        return core::fail(
            core::Error(
                core::ErrorCode::kForbidden,
                std::string(what) + ": '" + where +
                    "' is not a loopback address, and no API key exists: everybody would have "
                    "every right; listen on 127.0.0.1")
                .in(std::string(what)));
    }
    io::Address joined = *address;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        auto opened = (shards[i].get()->*open)(
            joined, i == 0 ? io::ListenRole::kFirst : io::ListenRole::kJoin);
        if (!opened) return core::fail(std::move(opened.error()));
        if (i == 0) joined = *opened;
        // A path has one socket: its connections all live on the first shard, their events do not.
        if (joined.family == io::Address::Family::kUnix) break;
    }
    bound = joined.to_string();
    return {};
}

core::Status ServerParts::listen() {
    if (auto ok =
            listen_one("http.listen", config.http_listen, addresses.http, &Shard::listen_http);
        !ok)
        return ok;
    if (!config.socket_listen.empty()) {
        auto ok = listen_one("socket.listen", config.socket_listen, addresses.socket,
                             &Shard::listen_lines);
        if (!ok) return ok;
    }
    if (!config.socket_unix.empty()) {
        auto ok = listen_one("socket.unix", "unix:" + config.socket_unix, addresses.unix_socket,
                             &Shard::listen_lines);
        if (!ok) return ok;
    }
    return {};
}

std::unique_ptr<core::AgentThread> ServerParts::run(core::Agent& agent, int cpu) {
    return std::make_unique<core::AgentThread>(agent, cpu);
}

std::unique_ptr<core::AgentThread> ServerParts::run(core::Agent& agent,
                                                    core::AgentThread::Priority priority) {
    return std::make_unique<core::AgentThread>(agent, core::AgentThread::kNotPinned, priority);
}

void ServerParts::start_threads() {
    writer_agent = std::make_unique<WriterAgent>(*writer, metrics);
    housekeeper_agent = std::make_unique<HousekeeperAgent>(database->housekeeper());
    const auto cpu = [this](std::size_t i) {
        return config.engine_pin ? static_cast<int>(i % core_count())
                                 : core::AgentThread::kNotPinned;
    };
    watchdog.start();
    using Priority = core::AgentThread::Priority;
    for (std::size_t i = 0; i < writer->syncers(); ++i)
        syncer_threads.push_back(run(writer->syncer(i), Priority::kBrief));
    writer_thread = run(*writer_agent, Priority::kBrief);
    housekeeper_thread = run(*housekeeper_agent, Priority::kChores);
    for (std::size_t i = 0; i < lanes.size(); ++i) lane_threads.push_back(run(*lanes[i], cpu(i)));
    conductor_thread = run(conductor);
    feeder_thread = run(*feeder);
    sideline_thread = run(sideline, Priority::kChores);
    haul_thread = run(haul, Priority::kChores);
    shadow_thread = run(*shadow);
    for (std::size_t i = 0; i < shards.size(); ++i)
        shard_threads.push_back(run(*shards[i], cpu(i)));
}

void ServerParts::stop_threads() {
    if (!writer_thread) return;
    shard_threads.clear();
    sideline_thread.reset();
    haul_thread.reset();
    shadow->stop_taking();
    shadow_thread.reset();
    feeder_thread.reset();
    conductor_thread.reset();
    lane_threads.clear();
    watchdog.stop();
    writer_thread.reset();
    syncer_threads.clear();
    housekeeper_thread.reset();
}

bool ServerParts::drain(const std::function<bool()>& hurry, const std::function<void()>& pause) {
    const std::int64_t give_up_ns = clock.monotonic_ns() + config.engine_drain_timeout_us * 1000;
    const auto wait_for = [&](const auto& condition) {
        while (!condition() && !hurry() && clock.monotonic_ns() < give_up_ns && !database->fatal())
            pause();
    };
    const auto all = [](const auto& items, auto condition) {
        for (const auto& item : items) {
            if (!condition(*item)) return false;
        }
        return true;
    };
    state.draining.store(true, std::memory_order_relaxed);
    for (auto& shard : shards) shard->post([](Shard& s) { s.drain_edge(); });
    wait_for([&] { return all(shards, [](const Shard& s) { return s.edge_idle(); }); });
    // Deliveries under way end; what is durable and not begun goes on after the next start.
    feeder->stop_feeding();
    for (auto& shard : shards) shard->post([](Shard& s) { s.stop_dispatch(); });
    for (auto& lane : lanes) lane->stop_taking();
    wait_for([&] { return all(lanes, [](const Lane& l) { return l.idle(); }); });
    for (auto& shard : shards) {
        shard->post([](Shard& s) {
            s.stop_listening();
            s.persist_cursor();
        });
    }
    pause();
    wait_for([&] { return all(shards, [](const Shard& s) { return s.commit_idle(); }); });
    return all(lanes, [](const Lane& l) { return l.idle(); }) && !hurry();
}

}  // namespace millrace::runtime
