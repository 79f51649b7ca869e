#include "tools/bench/bench_command.h"

#include "core/json_dom.h"
#include "tools/bench/bench_report.h"
#include "tools/bench/child_server.h"
#include "tools/cli/http.h"
#include "tools/cli/json.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include <stdlib.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kDeliverSecondsMax = 120;
constexpr std::string_view kHandler =
    "return function(event) if event.payload.n > 1 then sdk.log.info('never') end end";

class Bench {
public:
    Bench(const BenchOptions& options, std::string server)
        : options_(options),
          server_(std::move(server)),
          run_("b" + std::to_string(::getpid()) + "x" +
               std::to_string(std::chrono::system_clock::now().time_since_epoch().count() / 1000)) {
    }

    core::Result<BenchReport> run(BenchReport report) {
        if (auto ready = prepare(); !ready) return core::fail(std::move(ready.error()));
        const auto before = processed();
        if (!before) return core::fail(before.error());
        auto single = run_bench_load(load("s", options_.connections, 1));
        if (!single) return core::fail(std::move(single.error()));
        report.single = std::move(*single);
        const auto sent = *before + static_cast<std::int64_t>(report.single.events);
        if (auto seen = wait_until_processed(sent); !seen) return core::fail(seen.error());
        const auto begin = Clock::now();
        auto batch = run_bench_load(load("m", options_.batch_connections, options_.batch_events));
        if (!batch) return core::fail(std::move(batch.error()));
        report.batch = std::move(*batch);
        const auto all = sent + static_cast<std::int64_t>(report.batch.events);
        if (auto seen = wait_until_processed(all); !seen) return core::fail(seen.error());
        report.delivered_per_second = static_cast<double>(report.batch.events) /
                                      std::chrono::duration<double>(Clock::now() - begin).count();
        forget();
        return report;
    }

private:
    BenchLoad load(const char* part, unsigned connections, unsigned batch) const {
        return {.server = server_,
                .api_key = options_.api_key,
                .pattern = run_ + ".event",
                .run = run_ + part,
                .connections = connections,
                .batch_events = batch,
                .event_bytes = options_.event_bytes,
                .keys = options_.keys,
                .seconds = options_.seconds};
    }

    core::Result<HttpReply> ask(std::string method, const std::string& path,
                                std::string body = {}) {
        if (!http_) {
            auto made = HttpClient::create({.server = server_, .api_key = options_.api_key});
            if (!made) return core::fail(std::move(made.error()));
            http_ = std::move(*made);
        }
        auto reply =
            http_->send({.method = std::move(method), .path = path, .body = std::move(body)});
        if (reply && !reply->ok())
            return core::fail(core::ErrorCode::kInternal, path + ": " + reply->body);
        return reply;
    }

    core::Status prepare() {
        auto script = ask("POST", "/v2/scripts",
                          JsonObject()
                              .text("id", run_)
                              .text("name", run_)
                              .text("type", "event")
                              .text("source", kHandler)
                              .str());
        if (!script) return core::fail(std::move(script.error()));
        auto subscription =
            ask("POST", "/v2/subscriptions",
                R"({"id":")" + run_ + R"(","name":")" + run_ + R"(","pattern":")" + run_ +
                    R"(.event","executor":{"type":"script","scriptId":")" + run_ + R"("}})");
        if (!subscription) return core::fail(std::move(subscription.error()));
        return {};
    }

    core::Result<std::int64_t> processed() {
        auto reply = ask("GET", "/v2/stats");
        if (!reply) return core::fail(std::move(reply.error()));
        core::JsonElement root;
        if (!parser_.read(reply->body, root))
            return core::fail(core::ErrorCode::kInternal, "bench: /v2/stats is not JSON");
        return number_at(root, "events.processed");
    }

    // Until the handler has seen what the loads have sent so far.
    core::Status wait_until_processed(std::int64_t count) {
        const auto deadline = Clock::now() + std::chrono::seconds(kDeliverSecondsMax);
        while (true) {
            const auto now = processed();
            if (!now) return core::fail(now.error());
            if (*now >= count) return {};
            if (Clock::now() > deadline) {
                return core::fail(core::ErrorCode::kUnavailable,
                                  "bench: the handler has not seen every event after " +
                                      std::to_string(kDeliverSecondsMax) + " s");
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    // A server that was there before keeps its log, not our handler.
    void forget() {
        if (options_.server.empty()) return;
        (void)ask("DELETE", "/v2/subscriptions/" + run_);
        (void)ask("DELETE", "/v2/scripts/" + run_);
    }

    const BenchOptions& options_;
    const std::string server_;
    const std::string run_;
    std::unique_ptr<HttpClient> http_;
    core::JsonDom parser_;
};

core::Result<BenchReport> measure(const BenchOptions& options, const std::string& folder) {
    if (!options.server.empty()) return Bench(options, options.server).run({});
    BenchReport report;
    auto disk = measure_disk(folder, std::min(options.seconds, 2.0));
    if (!disk) return core::fail(std::move(disk.error()));
    report.disk = *disk;
    ChildServer server(folder + "/data", folder + "/server.log");
    if (auto started = server.start({"--durability", options.durability}); !started)
        return core::fail(std::move(started.error()));
    auto done = Bench(options, server.address()).run(report);
    if (auto stopped = server.stop(); done && !stopped)
        return core::fail(std::move(stopped.error()));
    return done;
}

void add_options(CLI::App& app, BenchOptions& options) {
    app.add_option("--seconds", options.seconds, "for each of the two loads")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--connections", options.connections, "of the load with one event a request")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--batch-connections", options.batch_connections, "of the load with batches")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--batch", options.batch_events, "events a request of the second load")
        ->check(CLI::Range(2, 10'000))
        ->capture_default_str();
    app.add_option("--bytes", options.event_bytes, "an event")
        ->check(CLI::Range(100, 100'000))
        ->capture_default_str();
    app.add_option("--keys", options.keys, "different partition keys; 0: events without one")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str();
    app.add_option("--data", options.folder,
                   "where: a folder of its own is made there and removed afterwards");
    app.add_option("--durability", options.durability)
        ->check(CLI::IsMember({"fsync", "os", "memory"}))
        ->capture_default_str();
    app.add_option("--server", options.server,
                   "load a server that runs already; its log keeps the events");
    app.add_option("--api-key", options.api_key, "of that server")->envname("MILLRACE_API_KEY");
    app.add_option("-o,--output", options.output, "table for people, json for programs")
        ->check(CLI::IsMember({"table", "json"}));
}

}  // namespace

int bench_command(std::vector<std::string> arguments) {
    CLI::App app{"Measures Millrace on this machine, through its HTTP edge", "millrace bench"};
    BenchOptions options;
    add_options(app, options);
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    std::string folder = options.folder + "/millrace-bench-XXXXXX";
    if (options.server.empty() && !::mkdtemp(folder.data())) {
        std::fprintf(stderr, "error: bench: no folder can be made in %s: %s\n",
                     options.folder.c_str(), std::strerror(errno));
        return kExitFailed;
    }
    const auto report = measure(options, folder);
    std::error_code ignored;
    if (options.server.empty()) std::filesystem::remove_all(folder, ignored);
    if (!report) {
        std::cerr << "error: " << printable(report.error().message) << "\n";
        return kExitFailed;
    }
    options.output == "json" ? print_bench_json(options, *report)
                             : print_bench_table(options, *report);
    const std::uint64_t failed = report->single.failed + report->batch.failed;
    if (failed == 0) return kExitOk;
    const std::string& why =
        report->single.failed > 0 ? report->single.first_failure : report->batch.first_failure;
    std::cerr << "error: " << failed << " requests were not taken; the first: " << printable(why)
              << "\n";
    return kExitFailed;
}

}  // namespace millrace::tools
