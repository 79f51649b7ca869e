// What: what `millrace bench` was asked for and what it found, for people and for programs.
// Threads: one. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "tools/bench/bench_load.h"

#include <optional>
#include <string>

namespace millrace::tools {

struct BenchOptions {
    double seconds = 5;
    unsigned connections = 64;
    unsigned batch_connections = 8;
    unsigned batch_events = 1000;
    unsigned event_bytes = 300;
    unsigned keys = 0;
    std::string folder = ".";
    std::string server{};  // empty: one of our own
    std::string api_key{};
    std::string durability = "fsync";
    std::string output = "table";
};

struct BenchReport {
    std::optional<BenchDisk> disk{};
    BenchFigures single{};
    BenchFigures batch{};
    double delivered_per_second = 0;  // of the batches: until a handler has seen them
};

// One load as JSON.
std::string bench_figures_json(const BenchFigures& part);

void print_bench_table(const BenchOptions& options, const BenchReport& report);
void print_bench_json(const BenchOptions& options, const BenchReport& report);

}  // namespace millrace::tools
