// Part of ServerParts: what answers requests, whoever they come from.
#include "runtime/server/memory_parts.h"
#include "runtime/server/part_options.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace millrace::runtime {
namespace {

// "7.3": partition 7, under its third ownership.
std::string replicated_members(const PartitionSeat& seat, const std::string& ack) {
    const std::size_t dot = seat.epoch.find('.');
    return "\"durability\":\"" + ack + "\",\"partition\":" + seat.epoch.substr(0, dot) +
           ",\"epoch\":" + seat.epoch.substr(dot + 1);
}

}  // namespace

core::Status ServerParts::build_edge() {
    if (auto shared = share_memory(); !shared) return shared;
    if (auto built = build_courier(); !built) return built;
    EngineServices::Deps deps;
    deps.memory = memory_watch.get();
    deps.stream_bounds = bound_streams(memory, memory_holders());
    deps.clock = &clock;
    deps.random = &random;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.database = database.get();
    deps.registry = registry.get();
    deps.sources = &sources;
    deps.edge_book = &edge_book;
    deps.schemas = &schemas;
    deps.states = states.get();
    deps.matcher = matcher.get();
    deps.conductor = &conductor;
    deps.sideline = &sideline;
    deps.set_aside = &set_aside;
    deps.behind = &behind;
    deps.cancelled = &cancelled;
    deps.actions = actions.get();
    if (auto built = build_edges(); !built) return built;
    if (auto built = build_forwarder(); !built) return built;
    deps.links = links.get();
    deps.edges = edges.get();
    deps.trial_slot = watchdog.add_slot();
    deps.canaries = &canaries;
    deps.behind_orders = &behind_orders;
    deps.due = &due_clock;
    deps.tester = tester.get();
    deps.settings = &settings;
    deps.outside_figures = [this](std::vector<api::ExecutorFigures>& out) {
        append_outside_figures(out);
    };
    deps.haul = &haul;
    deps.compiler = &compiler;
    deps.server = &state;
    if (auto built = build_retention(); !built) return built;
    deps.retention = retention.get();
    deps.yield = seams.yield;
    deps.event_bytes_max = static_cast<std::size_t>(config.events.event_bytes_max);
    deps.backup_folder =
        config.backup.dir.empty() ? config.data.dir + "/backups" : config.backup.dir;
    if (seams.seat && !seams.seat->front_token.empty()) {
        front = std::make_unique<identity::TrustedFront>(
            seams.seat->front_token, seams.seat->keys_live_here,
            replicated_members(*seams.seat, config.cluster.ack), lease());
    }
    keys = std::make_unique<KeyDirectory>(
        KeyDirectory::Deps{&clock, &log, database.get(), registry.get(), &key_ring, front.get()});
    if (auto started = keys->start(); !started) return started;
    sources.use_default_holder(keys->holder_of(core::TenantId{}));
    key_ring.set_local_tenant(keys->holder_of(core::TenantId{}));
    deps.keys = keys.get();
    deps.front = front.get();
    deps.security = &security;
    if (!config.tls.cert.empty()) sessions.use(identity::CookieForm::kSecure);
    deps.sessions = &sessions;
    deps.session_ttl_us = config.auth.session_ttl_us;
    connect_crossing(deps);
    services = std::make_unique<EngineServices>(deps);
    rest = std::make_unique<api::Api>(*services);
    if (auto built = build_authenticator(); !built) return built;
    add_chores();
    return {};
}

core::Status ServerParts::build_retention() {
    RetentionChore::Deps keeping;
    keeping.clock = &clock;
    keeping.log = &log;
    keeping.database = database.get();
    keeping.haul = &haul;
    keeping.floors = [this] { return kept_floors(); };
    keeping.events = [this] {
        return forwarder ? forwarder->kept_events() : std::vector<core::LogPosition>{};
    };
    if (auto read = read_retention_rules(config.retention, keeping); !read) return read;
    keeping.audit_age_us = config.audit.retention_us;
    retention = std::make_unique<RetentionChore>(std::move(keeping));
    return {};
}

// What is before them nobody needs any more.
std::vector<core::LogOffset> ServerParts::kept_floors() const {
    std::vector<core::LogOffset> floors = feeder->replays().floors();
    const std::vector<core::LogOffset> behind_floors = behind.floors(shard_count);
    floors.resize(shard_count, kNotLive);
    const RegistrySnapshotRef now = registry->snapshot();
    const bool unread = now->unknown_set_aside || !now->set_aside.empty() || !not_matched.empty();
    for (std::size_t i = 0; i < shard_count; ++i) {
        floors[i] = std::min(floors[i], behind_floors[i]);
        if (unread) floors[i] = std::min(floors[i], unread_floors[i]);
    }
    const auto leave = [&floors](const std::vector<core::LogOffset>& unsent) {
        for (std::size_t i = 0; i < unsent.size(); ++i) floors[i] = std::min(floors[i], unsent[i]);
    };
    if (forwarder) leave(forwarder->floors());
    if (links) leave(links->floors());
    return floors;
}

core::Status ServerParts::build_authenticator() {
    auto names = identity::HostNames::make(config.http.listen, config.http.hosts);
    if (!names) return core::fail(std::move(names.error()));
    auto cors = identity::CorsOrigins::make(config.http.cors_origins);
    if (!cors) return core::fail(std::move(cors.error()));
    authenticator =
        std::make_unique<identity::Authenticator>(std::move(*names), seams.tenant_of, &key_ring,
                                                  &clock, std::move(*cors), &sessions, front.get());
    return {};
}

void ServerParts::add_chores() {
    conductor.add_chore([this] { return keys->write_uses(); });
    conductor.add_chore([this] { return tell_security(); });
    conductor.add_chore([this] { return space_watch->do_work(); });
    verifier = std::make_unique<MatchVerifier>(config.matcher.verify_fraction, *registry,
                                               matcher->register_reader(), log, metrics);
    conductor.add_chore([this] { return delivery_log.tell_left_out(clock.monotonic_ns()); });
    if (verifier->every() != 0) conductor.add_chore([this] { return verifier->do_work(); });
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

}  // namespace millrace::runtime
