#include "tools/bench/bench_run.h"

#include "core/json_dom.h"
#include "tools/bench/child_server.h"
#include "tools/cli/http.h"
#include "tools/cli/json.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <thread>

#include <stdlib.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kDeliverSecondsMax = 120;
constexpr std::string_view kHandler =
    "return function(event) if event.payload.n > 1 then sdk.log.info('never') end end";

double disk_seconds(const BenchOptions& options) { return std::min(options.seconds, 2.0); }

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

core::Result<BenchReport> measure(const BenchOptions& options, const std::string& folder,
                                  const std::vector<std::string>& settings) {
    if (!options.server.empty()) return Bench(options, options.server).run({});
    BenchReport report;
    auto disk = measure_disk(folder, disk_seconds(options));
    if (!disk) return core::fail(std::move(disk.error()));
    report.disk = *disk;
    ChildServer server(folder + "/data", folder + "/server.log");
    std::vector<std::string> arguments = {"--durability", options.durability};
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    if (auto started = server.start(arguments); !started)
        return core::fail(std::move(started.error()));
    auto done = Bench(options, server.address()).run(report);
    if (auto stopped = server.stop(); done && !stopped)
        return core::fail(std::move(stopped.error()));
    return done;
}

}  // namespace

core::Result<BenchReport> run_bench(const BenchOptions& options,
                                    const std::vector<std::string>& settings) {
    std::error_code ignored;  // mkdtemp tells why
    if (options.server.empty()) std::filesystem::create_directories(options.folder, ignored);
    std::string folder = options.folder + "/millrace-bench-XXXXXX";
    if (options.server.empty() && !::mkdtemp(folder.data())) {
        return core::fail(
            core::ErrorCode::kValidation,
            "bench: no folder can be made in " + options.folder + ": " + std::strerror(errno));
    }
    auto report = measure(options, folder, settings);
    if (options.server.empty()) std::filesystem::remove_all(folder, ignored);
    return report;
}

double bench_seconds(const BenchOptions& options) {
    return 2 * options.seconds + (options.server.empty() ? disk_seconds(options) + 0.5 : 0);
}

}  // namespace millrace::tools
