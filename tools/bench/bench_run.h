// What: one run of `millrace bench`: the disk alone, then a server (one of its own in a folder of
//       its own, or one that is there) under its two loads.
// Threads: the caller's. Lifetime: one call; nothing of a folder of its own is left.
// Limits: handlers must have seen all within two minutes.
// Failure: an Error; requests that were not taken are counted in the report.
#pragma once

#include "core/result.h"
#include "tools/bench/bench_report.h"

#include <string>
#include <vector>

namespace millrace::tools {

// `settings` are further arguments of `serve` for a server of its own.
core::Result<BenchReport> run_bench(const BenchOptions& options,
                                    const std::vector<std::string>& settings = {});

// About how long it takes.
double bench_seconds(const BenchOptions& options);

}  // namespace millrace::tools
