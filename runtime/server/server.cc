#include "runtime/server/server.h"

#include "core/json_writer.h"
#include "matcher/regex/regex_file.h"
#include "runtime/lua/lua_vm.h"
#include "runtime/server/descriptors.h"
#include "runtime/server/last_words.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/server_parts.h"
#include "runtime/server/service_notify.h"
#include "runtime/server/signals.h"
#include "runtime/server/start_pulse.h"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <utility>

#include <unistd.h>

namespace millrace::runtime {

namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitStoreFailed = 70;  // EX_SOFTWARE of sysexits.h: the supervisor starts it again
constexpr std::int64_t kCloseUs = 30'000'000;  // for the store to close; asked of the supervisor

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

// One line, for who has started the server: programs read it as JSON.
void print_ready(const ServerAddresses& addresses, const core::Config& config) {
    if (::isatty(STDOUT_FILENO) != 0) {
        const std::string at = (config.tls.cert.empty() ? "http://" : "https://") + addresses.http;
        std::printf("Millrace is ready: %s%s, data in %s; Ctrl-C ends it\n", at.c_str(),
                    config.console.enabled ? " (a browser finds the console there)" : "",
                    config.data.dir.c_str());
        std::fflush(stdout);
        return;
    }
    std::string line;
    core::JsonWriter json(line);
    json.begin_object().field("ready", true).field("http", addresses.http);
    json.field_or_null("socket", addresses.socket).field_or_null("unix", config.socket.unix_path);
    json.field("data", config.data.dir).field("pid", getpid()).end_object();
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

core::LogLevel level_of(const core::Config& config) {
    core::LogLevel level = core::LogLevel::kInfo;
    core::parse_log_level(config.log.level, level);
    return level;
}

core::LogFormat format_of(const core::Config& config) {
    const bool people = config.log.format == "auto" && ::isatty(STDERR_FILENO) != 0;
    return people || config.log.format == "text" ? core::LogFormat::kText : core::LogFormat::kJson;
}

void say_what_is_so(core::Log& log, const core::Config& config, const ServeOptions& options,
                    const ServerAddresses& addresses, bool keyed) {
    for (const std::string& warning : options.warnings) log.warn(warning);
    if (const std::string_view warning = lua_build_warning(); !warning.empty()) log.warn(warning);
    if (!keyed)
        log.warn("no API key exists: every loopback client is tenant 'default' with every right");
    print_ready(addresses, config);
    log.info("serving", {{"http", addresses.http}, {"data", config.data.dir}});
}

// Until somebody asks for the end or the store has failed; then the reason is not empty.
std::string serve(Server& server, core::Log& log, const core::Config& config,
                  const ServeOptions& options, const ServiceNotify& notify) {
    std::string reason;
    const core::RealClock clock;
    const std::string status = "serving " + server.addresses().http;
    LifeWatch life(notify, server.life_members(), log, clock.monotonic_ns());
    notify.ready(status);
    core::Config running = config;
    const std::vector<ReloadPart> parts = server.reload_parts();
    while (end_signals() == 0 && !server.failed(reason)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        life.look(clock.monotonic_ns());
        server.look_at_memory();
        if (!take_hangup()) continue;
        notify.reloading(clock.monotonic_ns() / 1000);
        running = reload_config(log, running, options.read_again, parts);
        notify.ready(status);
    }
    return reason;
}

}  // namespace

Server::Server(std::unique_ptr<ServerParts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

core::Result<std::unique_ptr<Server>> Server::create(const core::Config& config, core::Log& log,
                                                     api::ConsoleFiles console,
                                                     api::ToldSettings settings,
                                                     const PartitionSeat* seat) {
    ServerSeams seams;
    seams.seat = seat;
    auto parts = std::make_unique<ServerParts>(config, log, std::move(seams));
    if (config.console.enabled) parts->console = {console, config.console.dir};
    parts->settings = std::move(settings);
    for (const auto step :
         {&ServerParts::plan_process, &ServerParts::open_store, &ServerParts::open_registry,
          &ServerParts::build_edge, &ServerParts::build_shards, &ServerParts::build_lanes,
          &ServerParts::listen}) {
        if (auto done = (parts.get()->*step)(); !done) return core::fail(std::move(done.error()));
    }
    parts->start_threads();
    return std::unique_ptr<Server>(new Server(std::move(parts)));
}

store::Database& Server::database() { return *parts_->database; }
const ServerAddresses& Server::addresses() const { return parts_->addresses; }

bool Server::keyed() const { return parts_->key_ring.closed(); }

std::vector<ReloadPart> Server::reload_parts() {
    std::vector<ReloadPart> parts;
    parts.push_back({"log.level", [this](const core::Config& fresh) -> core::Status {
                         parts_->log.set_level(level_of(fresh));
                         return {};
                     }});
    if (!parts_->config.tls.cert.empty()) {
        parts.push_back(
            {"tls.", [this](const core::Config& fresh) { return parts_->reload_tls(fresh.tls); }});
    }
    return parts;
}

std::vector<LifeWatch::Member> Server::life_members() {
    ServerParts& parts = *parts_;
    std::vector<LifeWatch::Member> members;
    const auto add = [&](std::string_view name, core::AgentThread& thread) {
        members.push_back({std::string(name), [&thread] { return thread.turns(); }, {}});
    };
    for (std::size_t i = 0; i < parts.shards.size(); ++i)
        add(parts.shards[i]->name(), *parts.shard_threads[i]);
    for (std::size_t i = 0; i < parts.lane_threads.size(); ++i) {
        const std::size_t call = i - std::min(i, parts.lanes.size());
        add(i < parts.lanes.size() ? parts.lanes[i]->name() : parts.call_lanes[call]->name(),
            *parts.lane_threads[i]);
        // A handler may take minutes, if its script says so.
        members.back().busy = [&parts, slot = parts.lane_slots[i]] {
            return parts.watchdog.busy(*slot);
        };
    }
    return members;
}

void Server::look_at_memory() { parts_->memory_watch->look(parts_->clock.monotonic_ns()); }

bool Server::failed(std::string& reason) const {
    if (!parts_->database->fatal()) return false;
    reason = parts_->database->fatal_reason();
    return true;
}

bool Server::stop(const std::function<bool()>& hurry) {
    ServerParts& parts = *parts_;
    if (!parts.drain(hurry, nap)) return false;
    for (auto& shard : parts.shards) {
        shard->post([](Shard& s) { s.http().close_all(); });
    }
    parts.stop_threads();
    matcher::close_regex_file();
    parts.keys->write_uses(KeyDirectory::When::kNow);
    if (auto closed = parts.database->close(); !closed) {
        parts.log.error("the store did not close cleanly", {{"error", closed.error().message}});
    }
    return true;
}

bool Server::is_at_work() const {
    return parts_->compiler_thread || parts_->sideline_thread || parts_->haul_thread ||
           parts_->matcher->rebuilding();
}

namespace {

// What the system refuses by an exception, of the standard library or of a library of others, is
// told like any other reason. There is no way back from it: the process ends without destructors,
// which would ask the system for more.
core::Result<std::unique_ptr<Server>> create_or_end(const core::Config& config, core::Log& log,
                                                    const ServeOptions& options,
                                                    const ServiceNotify& notify) {
    const StartPulse pulse(notify);
    try {
        return Server::create(config, log, options.console, options.settings);
    } catch (...) {
        const char* text = refusal_text();
        log.error(std::string("millrace can't start: ") +
                  (text ? text : "an exception that nobody knows"));
        std::_Exit(kExitFailed);
    }
}

}  // namespace

int run_server(const core::Config& config, const ServeOptions& options) {
    install_last_words(kExitFailed);
    install_signals();
    core::RealClock clock;
    core::Log log(clock, level_of(config), {}, format_of(config));
    const ServiceNotify notify = ServiceNotify::from_environment();
    auto server = create_or_end(config, log, options, notify);
    if (!server) {
        log.error("millrace can't start: " + server.error().message);
        return kExitFailed;
    }
    set_last_words_exit_code(kExitStoreFailed);
    say_what_is_so(log, config, options, (*server)->addresses(), (*server)->keyed());
    drop_start_pages();
    const std::string reason = serve(**server, log, config, options, notify);
    if (!reason.empty()) {
        log.error("the store has failed; ending so that a supervisor can start again",
                  {{"reason", reason}});
        // No destructor may touch the failed store: what is acknowledged is on the disk.
        std::_Exit(kExitStoreFailed);
    }
    notify.stopping("draining");
    // What is in memory has to reach the disk after the drain.
    notify.extend(config.engine.drain_timeout_us + kCloseUs, "draining");
    log.info("draining", {{"timeoutSeconds", config.engine.drain_timeout_us / 1'000'000}});
    const auto hurry = [] { return end_signals() > 1; };
    const bool quiet = (*server)->stop(hurry);
    if (!quiet) {
        // A handler still runs: its thread can't be joined in time. Nothing is lost by going now:
        // what is acknowledged is on the disk, what is not done is delivered after the next start.
        log.warn(hurry() ? "stopped at once, as asked by a second signal"
                         : "stopped: the drain timeout is over");
        std::_Exit(hurry() ? kExitFailed : kExitOk);
    }
    log.info("stopped");
    // All else has ended, and the store is closed.
    if ((*server)->is_at_work()) std::_Exit(kExitOk);
    return kExitOk;
}

}  // namespace millrace::runtime
