#include "tools/bench/bench_command.h"

#include "tools/bench/bench_run.h"
#include "tools/bench/bench_tune.h"
#include "tools/cli/json.h"
#include "tools/cli/timed_progress.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>

#include <unistd.h>

namespace millrace::tools {

namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

}  // namespace

void add_bench_options(CLI::App& app, BenchOptions& options) {
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
    app.add_option("-o,--output", options.output, "table for people, json for programs")
        ->check(CLI::IsMember({"table", "json"}));
}

int bench_command(std::vector<std::string> arguments) {
    if (!arguments.empty() && (arguments.front() == "tune" || arguments.front() == "compare"))
        return bench_tune_command(std::move(arguments));
    CLI::App app{"Measures Millrace on this machine, through its HTTP edge", "millrace bench"};
    BenchOptions options;
    add_bench_options(app, options);
    app.add_option("--server", options.server,
                   "load a server that runs already; its log keeps the events");
    app.add_option("--api-key", options.api_key, "of that server")->envname("MILLRACE_API_KEY");
    app.footer(
        "Which settings are the quickest here: millrace bench tune --help\n"
        "Settings or runs beside each other: millrace bench compare --help");
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    TimedProgress progress(std::cerr, "measuring", bench_seconds(options),
                           options.output != "json" && ::isatty(STDERR_FILENO) != 0);
    const auto report = run_bench(options);
    progress.finish();
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
