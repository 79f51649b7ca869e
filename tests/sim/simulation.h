// What: one run: a world, clients with operations weighed by the seed, faults, restarts, and the
//       model that is asked after each start and at the end.
// Threads: one. Lifetime: of a run; leaves nothing behind.
// Limits: RunOptions::boots starts, steps_per_boot calls of do_work() each.
// Failure: RunResult::wrong in words; the run ends there.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::sim {

struct RunOptions {
    std::uint64_t seed = 1;
    std::uint32_t boots = 6;
    std::uint32_t steps_per_boot = 1500;
    std::string folder;  // made and removed
};

struct RunResult {
    std::string wrong;  // empty: all held
    std::uint64_t trace = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t power_cuts = 0;
    std::uint64_t kills = 0;  // of the process alone
    std::uint64_t lost_writes = 0;
    std::uint64_t disk_faults = 0;
    std::uint64_t graceful_stops = 0;
    std::uint64_t overlapped = 0;  // commits written while others were in flight
    std::int64_t virtual_ms = 0;
    std::uint64_t drain_rounds = 0;  // until nothing waited at the end, the longer of two
};

RunResult run_simulation(const RunOptions& options);

}  // namespace millrace::sim
