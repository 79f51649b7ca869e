#include "tools/bench/bench_report.h"

#include "tools/cli/json.h"
#include "tools/cli/table.h"

#include <cmath>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>

namespace millrace::tools {

namespace {

std::string rounded(double value) { return std::to_string(std::llround(value)); }

}  // namespace

std::string bench_figures_json(const BenchFigures& part) {
    return JsonObject()
        .number("requests", static_cast<std::int64_t>(part.requests))
        .number("events", static_cast<std::int64_t>(part.events))
        .number("failed", static_cast<std::int64_t>(part.failed))
        .real("seconds", part.seconds)
        .real("eventsPerSecond", part.events_per_second())
        .real("p50Us", part.p50_us)
        .real("p99Us", part.p99_us)
        .real("maxUs", part.max_us)
        .text_if("firstFailure", part.first_failure)
        .str();
}

void print_bench_table(const BenchOptions& options, const BenchReport& report) {
    Table table({"what", "events/s", "p50 us", "p99 us", "max us"});
    const auto row = [&](const std::string& what, const BenchFigures& part) {
        table.add({what, rounded(part.events_per_second()), rounded(part.p50_us),
                   rounded(part.p99_us), rounded(part.max_us)});
    };
    row("one event a request, " + std::to_string(options.connections) + " connections",
        report.single);
    row(std::to_string(options.batch_events) + " events a request, " +
            std::to_string(options.batch_connections) + " connections",
        report.batch);
    table.add({"the same, until a Lua handler has seen all", rounded(report.delivered_per_second),
               "", "", ""});
    table.print(std::cout, standard_output_terminal());
    if (report.disk) {
        std::cout << "the disk alone: " << rounded(report.disk->syncs_per_second)
                  << " times a second 4 KiB written and synced, p50 "
                  << rounded(report.disk->p50_us) << " us\n";
    }
    std::cout << "events of " << options.event_bytes << " bytes, "
              << (options.server.empty() ? "durability " + options.durability : options.server)
              << ", " << std::thread::hardware_concurrency()
              << " cores shared with the load, which waits for each answer\n";
}

void print_bench_json(const BenchOptions& options, const BenchReport& report) {
    JsonObject json;
    json.number("cores", std::thread::hardware_concurrency());
    json.number("eventBytes", options.event_bytes);
    if (report.disk) {
        json.text("durability", options.durability);
        json.raw("disk", JsonObject()
                             .real("syncsPerSecond", report.disk->syncs_per_second)
                             .real("p50Us", report.disk->p50_us)
                             .str());
    }
    json.raw("single", bench_figures_json(report.single));
    json.raw("batch", bench_figures_json(report.batch));
    json.real("deliveredPerSecond", report.delivered_per_second);
    std::printf("%s\n", json.str().c_str());
}

}  // namespace millrace::tools
