#include "runtime/server/server.h"

#include "core/json_writer.h"
#include "runtime/lua/lua_vm.h"
#include "runtime/server/server_parts.h"

#include <cstdio>
#include <thread>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace millrace::runtime {

namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitStoreFailed = 70;  // EX_SOFTWARE of sysexits.h: the supervisor starts it again

volatile sig_atomic_t g_signals = 0;
void count_signal(int) { g_signals = g_signals + 1; }

void install_signals() {
    struct sigaction action {};
    action.sa_handler = count_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, nullptr);
}

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

void print_ready(const ServerAddresses& addresses, const core::Config& config) {
    std::string line;
    core::JsonWriter json(line);
    json.begin_object().field("ready", true).field("http", addresses.http);
    json.field_or_null("socket", addresses.socket).field_or_null("unix", config.socket_unix);
    json.field("data", config.data_dir).field("pid", getpid()).end_object();
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

core::LogLevel level_of(const core::Config& config) {
    core::LogLevel level = core::LogLevel::kInfo;
    core::parse_log_level(config.log_level, level);
    return level;
}

}  // namespace

Server::Server(std::unique_ptr<ServerParts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

core::Result<std::unique_ptr<Server>> Server::create(const core::Config& config, core::Log& log) {
    auto parts = std::make_unique<ServerParts>(config, log);
    for (const auto step :
         {&ServerParts::open_store, &ServerParts::open_registry, &ServerParts::build_edge,
          &ServerParts::build_lanes, &ServerParts::listen}) {
        if (auto done = (parts.get()->*step)(); !done) return core::fail(std::move(done.error()));
    }
    parts->start_threads();
    return std::unique_ptr<Server>(new Server(std::move(parts)));
}

const ServerAddresses& Server::addresses() const { return parts_->addresses; }

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
    if (auto closed = parts.database->close(); !closed) {
        parts.log.error("the store did not close cleanly", {{"error", closed.error().message}});
    }
    return true;
}

int run_server(const core::Config& config) {
    install_signals();
    core::RealClock clock;
    core::Log log(clock, level_of(config));
    auto server = Server::create(config, log);
    if (!server) {
        log.error("millrace can't start: " + server.error().message);
        return kExitFailed;
    }
    if (const std::string_view warning = lua_build_warning(); !warning.empty()) log.warn(warning);
    log.warn("no API key exists: every loopback client is tenant 'default' with every right");
    print_ready((*server)->addresses(), config);
    log.info("serving", {{"http", (*server)->addresses().http}, {"data", config.data_dir}});

    std::string reason;
    while (g_signals == 0 && !(*server)->failed(reason))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (!reason.empty()) {
        log.error("the store has failed; ending so that a supervisor can start again",
                  {{"reason", reason}});
        // No destructor may touch the failed store: what is acknowledged is on the disk.
        std::_Exit(kExitStoreFailed);
    }
    log.info("draining", {{"timeoutSeconds", config.engine_drain_timeout_us / 1'000'000}});
    const auto hurry = [] { return g_signals > 1; };
    const bool quiet = (*server)->stop(hurry);
    if (!quiet) {
        // A handler still runs: its thread can't be joined in time. Nothing is lost by going now:
        // what is acknowledged is on the disk, what is not done is delivered after the next start.
        log.warn(hurry() ? "stopped at once, as asked by a second signal"
                         : "stopped: the drain timeout is over");
        std::_Exit(hurry() ? kExitFailed : kExitOk);
    }
    log.info("stopped");
    return kExitOk;
}

}  // namespace millrace::runtime
