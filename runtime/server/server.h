// What: the composition root: builds every part from the config, starts the threads, stops them in
//       the reverse order. No logic of its own.
// Threads: one thread builds, runs and stops it.
// Lifetime: owns everything. Config and clock are copied or outlive it.
// Limits: core::kShardsMax, core::kLanesMax.
// Failure: create() says what could not be had and what helps; nothing is left behind.
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/result.h"
#include "runtime/api/console_file.h"
#include "runtime/api/told_settings.h"
#include "runtime/server/life_watch.h"
#include "runtime/server/partition_seat.h"
#include "runtime/server/reload.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

struct ServerAddresses {
    std::string http;
    std::string socket;
    std::string unix_socket;
};

class ServerParts;

class Server {
public:
    // `console`: what is served at / and below /console/. `settings`: what GET /v2/config tells.
    // `seat`: of a partition of a cluster, which outlives the server.
    static core::Result<std::unique_ptr<Server>> create(const core::Config& config, core::Log& log,
                                                        api::ConsoleFiles console = {},
                                                        api::ToldSettings settings = {},
                                                        const PartitionSeat* seat = nullptr);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    const ServerAddresses& addresses() const;
    store::Database& database();
    // A key was made once: every caller needs one.
    bool keyed() const;
    // What of a configuration that was read again it takes while it runs.
    std::vector<ReloadPart> reload_parts();
    // The threads without which nobody is answered and nothing is handled; until stop().
    std::vector<LifeWatch::Member> life_members();
    // What the process holds beside what it may; main's, again and again.
    void look_at_memory();
    // The store can't go on: the process must end. Says why.
    bool failed(std::string& reason) const;
    // A line of tenant default's audit log that an order of the cluster's makes: once, by the id of
    // the order, which is its member "order". `done` comes from a thread of the server's when it is
    // durable; without, it is to be said again.
    void audit_order(std::string order, std::int64_t asked_at_us, std::string entry,
                     std::function<void()> done);
    // Graceful: no new connections, requests answered, what is durable stays queued for the next
    // start. Returns at the latest after the drain timeout, or as soon as `hurry` says true. False:
    // a handler still runs, the threads live on, and the process should end without destructors.
    bool stop(const std::function<bool()>& hurry);
    // After stop(): something goes on that destructors would wait for: an expression that is
    // compiled, a search, a copy of the folder.
    bool is_at_work() const;

private:
    explicit Server(std::unique_ptr<ServerParts> parts);
    std::unique_ptr<ServerParts> parts_;
};

// `millrace serve`: builds, prints the ready line to stdout, waits for SIGTERM, SIGINT or SIGQUIT,
// drains. `warnings` are logged at start; SIGHUP asks `read_again` what the configuration says now.
// Returns the process's exit code.
struct ServeOptions {
    std::vector<std::string> warnings{};
    std::function<core::Result<core::Config>()> read_again{};
    api::ConsoleFiles console{};
    api::ToldSettings settings{};
};
int run_server(const core::Config& config, const ServeOptions& options);

}  // namespace millrace::runtime
