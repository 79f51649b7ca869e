// Starting and stopping the threads of a server that is built, and going down in an order.
#include "runtime/server/server_parts.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace millrace::runtime {

namespace {

std::size_t core_count() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace

std::unique_ptr<core::AgentThread> ServerParts::run(core::Agent& agent, int cpu,
                                                    core::AgentThread::Priority priority) {
    return std::make_unique<core::AgentThread>(agent, cpu, priority);
}

std::unique_ptr<core::AgentThread> ServerParts::run(core::Agent& agent,
                                                    core::AgentThread::Priority priority) {
    return run(agent, core::AgentThread::kNotPinned, priority);
}

void ServerParts::start_threads() {
    writer_agent = std::make_unique<WriterAgent>(*writer, metrics);
    housekeeper_agent = std::make_unique<HousekeeperAgent>(database->housekeeper());
    const auto cpu = [this](std::size_t i) {
        return config.engine.pin ? static_cast<int>(i % core_count())
                                 : core::AgentThread::kNotPinned;
    };
    watchdog.start();
    using Priority = core::AgentThread::Priority;
    for (std::size_t i = 0; i < writer->syncers(); ++i)
        syncer_threads.push_back(run(writer->syncer(i), Priority::kBrief));
    writer_thread = run(*writer_agent, Priority::kBrief);
    housekeeper_thread = run(*housekeeper_agent, Priority::kChores);
    // Handlers that burn are kept from nobody whom a client waits for: each step of an event's way
    // would wait for the next tick.
    for (std::size_t i = 0; i < lanes.size(); ++i)
        lane_threads.push_back(run(*lanes[i], cpu(i), Priority::kLong));
    for (auto& lane : call_lanes) lane_threads.push_back(run(*lane));
    conductor_thread = run(conductor);
    feeder_thread = run(*feeder);
    scheduler_thread = run(*scheduler);
    orchestrator_thread = run(*orchestrator);
    if (courier) courier_thread = run(*courier);
    if (commands) commands_thread = run(*commands);
    if (database_client) database_thread = run(*database_client);
    if (links) links_thread = run(*links);
    if (link_scripts) link_scripts_thread = run(*link_scripts, Priority::kLong);
    if (forwarder) forwarder_thread = run(*forwarder);
    if (crossing) crossing->thread = run(*crossing->agent);
    if (exporter) exporter_thread = run(*exporter, Priority::kChores);
    sideline_thread = run(sideline, Priority::kChores);
    haul_thread = run(haul, Priority::kChores);
    compiler_thread = run(compiler, Priority::kChores);
    shadow_thread = run(*shadow);
    for (std::size_t i = 0; i < shards.size(); ++i)
        shard_threads.push_back(run(*shards[i], cpu(i)));
}

void ServerParts::stop_threads() {
    constexpr std::int64_t kCompileUsMax = 100'000;
    constexpr std::int64_t kAsideUsMax = 3'000'000;
    if (!writer_thread) return;
    shard_threads.clear();
    // A search may look through all of the log, a copy take hours, or its disk stand still; what
    // they have begun is as after a crash.
    for (auto* aside : {&sideline_thread, &haul_thread}) {
        if (*aside && (*aside)->stop_within(kAsideUsMax)) aside->reset();
    }
    shadow->stop_taking();
    shadow_thread.reset();
    feeder_thread.reset();
    scheduler_thread.reset();
    orchestrator_thread.reset();
    conductor_thread.reset();
    courier_thread.reset();
    commands_thread.reset();
    database_thread.reset();
    link_scripts_thread.reset();
    links_thread.reset();
    forwarder_thread.reset();
    if (crossing) crossing->thread.reset();
    lane_threads.clear();
    services->store_runs();
    stop_telemetry();
    watchdog.stop();
    writer_thread.reset();
    syncer_threads.clear();
    housekeeper_thread.reset();
    if (compiler_thread && compiler_thread->stop_within(kCompileUsMax)) compiler_thread.reset();
}

bool ServerParts::drain(const std::function<bool()>& hurry, const std::function<void()>& pause) {
    const std::int64_t began_ns = clock.monotonic_ns();
    const std::int64_t give_up_ns = began_ns + config.engine.drain_timeout_us * 1000;
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
    services->stop_compiling();
    // Whoever sends or reads slowly has not the time of handlers that run.
    const std::int64_t clients_ns = began_ns + config.engine.drain_timeout_us * 1000 / 2;
    const auto clients_gone = [&] {
        return all(shards, [](const Shard& s) { return s.edge_idle(); });
    };
    wait_for([&] { return clients_gone() || clock.monotonic_ns() > clients_ns; });
    if (!clients_gone()) tell_clients_left();
    // Deliveries under way end; what is durable and not begun goes on after the next start.
    scheduler->stop_firing();
    if (links) links->stop_reading();
    if (forwarder) forwarder->stop_sending();
    if (crossing) crossing->agent->stop_sending();
    orchestrator->stop_taking();
    feeder->stop_feeding();
    for (auto& shard : shards) shard->post([](Shard& s) { s.stop_dispatch(); });
    for (auto& lane : lanes) lane->stop_taking();
    for (auto& lane : call_lanes) lane->stop_taking();
    const auto lanes_idle = [&] {
        const auto idle = [](const Lane& l) { return l.idle(); };
        return all(lanes, idle) && all(call_lanes, idle);
    };
    // What is outside may take its time, but not all of ours: it is delivered again then.
    const std::int64_t patience_ns =
        clock.monotonic_ns() + config.engine.drain_timeout_us * 1000 / 2;
    wait_for([&] { return lanes_idle() || clock.monotonic_ns() > patience_ns; });
    for (auto& lane : lanes) lane->abandon_pending();
    for (auto& lane : call_lanes) lane->abandon_pending();
    wait_for(lanes_idle);
    wait_for([&] { return orchestrator->idle(); });
    for (auto& shard : shards) {
        shard->post([](Shard& s) {
            s.stop_listening();
            s.persist_cursor();
        });
    }
    pause();
    const auto written = [&] {
        return all(shards, [](const Shard& s) { return s.commit_idle(); });
    };
    wait_for(written);
    if (!written()) log.warn("draining: the store has not taken all that was begun");
    return lanes_idle() && !hurry();
}

void ServerParts::tell_clients_left() {
    std::size_t http_left = 0, lines_left = 0;
    for (const auto& shard : shards) {
        http_left += shard->http_connections();
        lines_left += shard->line_connections();
    }
    log.warn("draining: not every client has come to its end in time",
             {{"httpConnections", http_left}, {"socketConnections", lines_left}});
}

}  // namespace millrace::runtime
