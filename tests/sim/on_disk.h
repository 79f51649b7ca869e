// What: a run on the simulated disk: its folder is made and mounted, the power goes when the run is
//       over (nothing that it holds may write then), and the folder is gone.
// Threads: one. Lifetime: of a run; leaves nothing behind.
// Limits: kPlentyBytes are free at the beginning. Failure: the run's own.
#pragma once

#include "tests/sim/disk.h"
#include "tests/sim/simulation.h"

#include <filesystem>

namespace millrace::sim {

constexpr std::uint64_t kPlentyBytes = 100u << 20;

template <typename Run>
RunResult run_on_disk(const RunOptions& options) {
    std::error_code ignored;
    std::filesystem::remove_all(options.folder, ignored);
    std::filesystem::create_directories(options.folder + "/data");
    Disk::instance().mount(options.folder + "/data", options.seed);
    Disk::instance().set_free_bytes(kPlentyBytes);
    RunResult result;
    {
        Run run(options);
        result = run.run();
        Disk::instance().cut_power_now();
    }
    Disk::instance().unmount();
    std::filesystem::remove_all(options.folder, ignored);
    return result;
}

}  // namespace millrace::sim
