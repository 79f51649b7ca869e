// Does the simulation see anything? The program is linked with copies of the product's files that
// hold known mistakes (mutate.py); each is switched on for seed after seed until a run goes wrong.
// A mistake that none of them meets is a hole in the simulation, and a failure here.
//
//     mutant_sim [--seeds N] [--from SEED] [--only NAME]
#include "mutations.h"
#include "tests/sim/entity_run.h"
#include "tests/sim/schedule_run.h"
#include "tests/sim/simulation.h"
#include "tests/sim/webhook_run.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int millrace_mutation = 0;  // read by the mutated files

namespace {

using namespace millrace::sim;

// Of the processor; and of the wall, for what sleeps.
constexpr rlim_t kCpuSecondsMax = 30;
constexpr unsigned kSecondsMax = 600;

using Run = RunResult(const RunOptions&);

// True when the run goes wrong in any way; says how.
bool goes_wrong(int mutation, std::uint64_t seed, Run* run) {
    std::fflush(stdout);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(kSecondsMax);
        const rlimit cpu{kCpuSecondsMax, kCpuSecondsMax};
        ::setrlimit(RLIMIT_CPU, &cpu);
        millrace_mutation = mutation;
        RunOptions options;
        options.seed = seed;
        options.folder = (std::filesystem::temp_directory_path() /
                          ("millrace-mutant-" + std::to_string(::getpid())))
                             .string();
        const RunResult result = run(options);
        if (!result.wrong.empty())
            std::printf("    seed %llu: %.400s\n", static_cast<unsigned long long>(seed),
                        result.wrong.c_str());
        std::fflush(stdout);
        ::_exit(result.wrong.empty() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) {
        std::printf("    seed %llu: ended by signal %d\n", static_cast<unsigned long long>(seed),
                    WTERMSIG(status));
        const std::string left = "millrace-mutant-" + std::to_string(pid);
        std::error_code ignored;
        std::filesystem::remove_all(std::filesystem::temp_directory_path() / left, ignored);
    }
    return status != 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seeds = 200;  // for one mistake; the rarest mixture needs 74 from 1 on
    std::uint64_t from = 0;     // where each search begins; 0: at the seed that met it last
    std::string_view only;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        if (name == "--seeds") seeds = std::strtoull(argv[i + 1], nullptr, 10);
        if (name == "--from") from = std::strtoull(argv[i + 1], nullptr, 10);
        if (name == "--only") only = argv[i + 1];
    }
    int missed = 0;
    if (only.empty()) {
        std::printf("no mistake\n");
        for (std::uint64_t seed = 1; seed <= 3; ++seed)
            for (Run* const run : {run_simulation, run_schedules, run_entities, run_webhooks})
                missed += goes_wrong(0, seed, run);
    }
    for (std::size_t i = 0; i < std::size(kMutations); ++i) {
        if (!only.empty() && only != kMutations[i]) continue;
        std::printf("%s\n", kMutations[i]);
        const std::uint64_t begin = from != 0 ? from : kSeedsToBegin[i];
        std::uint64_t tried = 0;
        const std::string_view name = kMutations[i];
        Run* const run = name.starts_with("schedule-")  ? run_schedules
                         : name.starts_with("entity-")  ? run_entities
                         : name.starts_with("webhook-") ? run_webhooks
                                                        : run_simulation;
        while (tried < seeds && !goes_wrong(static_cast<int>(i) + 1, begin + tried, run)) ++tried;
        if (tried < seeds) continue;
        std::printf("    NOT CAUGHT in %llu seeds\n", static_cast<unsigned long long>(seeds));
        ++missed;
    }
    std::printf("%s\n", missed == 0 ? "ok: every mistake is caught" : "FAILED");
    return missed == 0 ? 0 : 1;
}
