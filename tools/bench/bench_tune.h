// What: `millrace bench tune`: which settings are the quickest on this machine and disk, by trying
//       them one after the other; `millrace bench compare`: settings beside the defaults, or two
//       runs that were kept (`bench -o json`).
// Threads: one; servers are child processes. Lifetime: one call; every folder is removed.
// Limits: each setting is tried for itself, from the best so far on.
// Failure: exit code 1 with the reason (compare of runs: also when the second is slower); 2 usage.
#pragma once

#include "tools/bench/bench_report.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace millrace::tools {

void add_bench_options(CLI::App& app, BenchOptions& options);  // in bench_command.cc

// `arguments` begin with tune or compare.
int bench_tune_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
