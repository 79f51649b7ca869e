// Runs seeds of the simulation, each in a process of its own.
//
//     millrace_sim --seed 17            one seed, in words
//     millrace_sim --seeds 1000 [--first 1] [--jobs 2]
//     millrace_sim --seed 17 --twice    the same run twice: the traces must be equal
//     millrace_sim --schedules ...      runs of schedules (schedule_run.h) instead
//     millrace_sim --entities ...       runs of entities (entity_run.h)
//     millrace_sim --webhooks ...       runs of webhooks (webhook_run.h)
//     millrace_sim --workflows ...      runs of workflows (workflow_run.h)
#include "tests/sim/entity_run.h"
#include "tests/sim/schedule_run.h"
#include "tests/sim/simulation.h"
#include "tests/sim/webhook_run.h"
#include "tests/sim/workflow_run.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace millrace::sim;

// Of the processor: how busy the machine is says nothing about a run. And of the wall, for what
// sleeps.
constexpr rlim_t kCpuSecondsMax = 120;
constexpr unsigned kSecondsMax = 1200;

struct Arguments {
    std::uint64_t first = 1;
    std::uint64_t seeds = 1;
    std::uint32_t boots = RunOptions().boots;
    std::uint32_t steps = RunOptions().steps_per_boot;
    unsigned jobs = 2;
    bool twice = false;
    RunResult (*run)(const RunOptions&) = run_simulation;
    std::string binary;
};

RunOptions options_of(const Arguments& arguments, std::uint64_t seed) {
    RunOptions options;
    options.seed = seed;
    options.boots = arguments.boots;
    options.steps_per_boot = arguments.steps;
    options.folder =
        (std::filesystem::temp_directory_path() / ("millrace-sim-" + std::to_string(::getpid())))
            .string();
    return options;
}

std::string replay_command(const Arguments& arguments, std::uint64_t seed) {
    const char* of = arguments.run == run_schedules   ? " --schedules"
                     : arguments.run == run_entities  ? " --entities"
                     : arguments.run == run_webhooks  ? " --webhooks"
                     : arguments.run == run_workflows ? " --workflows"
                                                      : "";
    std::string command = arguments.binary + of + " --seed " + std::to_string(seed);
    if (arguments.boots != Arguments().boots)
        command += " --boots " + std::to_string(arguments.boots);
    if (arguments.steps != Arguments().steps)
        command += " --steps " + std::to_string(arguments.steps);
    return command;
}

int run_one(const Arguments& arguments, std::uint64_t seed, bool talk) {
    const RunResult result = arguments.run(options_of(arguments, seed));
    if (arguments.twice && result.wrong.empty()) {
        const RunResult again = arguments.run(options_of(arguments, seed));
        if (again.trace != result.trace) {
            std::printf("seed %llu: two runs, two traces: %016llx %016llx\n",
                        static_cast<unsigned long long>(seed),
                        static_cast<unsigned long long>(result.trace),
                        static_cast<unsigned long long>(again.trace));
            return 1;
        }
    }
    if (talk || !result.wrong.empty()) {
        std::printf(
            "seed %llu: %s trace %016llx, %llu events sent, %llu acknowledged, "
            "%llu power cuts took %llu writes, %llu kills, %llu disk faults, %llu clean stops, "
            "%llu commits beside others, %lld ms, %llu rounds at the end\n",
            static_cast<unsigned long long>(seed), result.wrong.empty() ? "ok," : "WRONG,",
            static_cast<unsigned long long>(result.trace),
            static_cast<unsigned long long>(result.sent),
            static_cast<unsigned long long>(result.acknowledged),
            static_cast<unsigned long long>(result.power_cuts),
            static_cast<unsigned long long>(result.lost_writes),
            static_cast<unsigned long long>(result.kills),
            static_cast<unsigned long long>(result.disk_faults),
            static_cast<unsigned long long>(result.graceful_stops),
            static_cast<unsigned long long>(result.overlapped),
            static_cast<long long>(result.virtual_ms),
            static_cast<unsigned long long>(result.drain_rounds));
    }
    if (result.wrong.empty()) return 0;
    std::printf("  %s\n  replay: %s\n", result.wrong.c_str(),
                replay_command(arguments, seed).c_str());
    return 1;
}

// A process for each seed: what one run breaks no other meets.
int run_many(const Arguments& arguments) {
    std::map<pid_t, std::uint64_t> running;
    std::uint64_t failed = 0;
    const auto wait_for_one = [&] {
        int status = 0;
        const pid_t pid = ::wait(&status);
        const auto found = running.find(pid);
        if (found == running.end()) return;
        if (WIFSIGNALED(status)) {
            std::printf("seed %llu: WRONG, ended by signal %d\n  replay: %s\n",
                        static_cast<unsigned long long>(found->second), WTERMSIG(status),
                        replay_command(arguments, found->second).c_str());
        }
        failed += status != 0;
        running.erase(found);
    };
    for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
        while (running.size() >= arguments.jobs) wait_for_one();
        std::fflush(stdout);
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::alarm(kSecondsMax);  // what does not end is a finding too
            const rlimit cpu{kCpuSecondsMax, kCpuSecondsMax};
            ::setrlimit(RLIMIT_CPU, &cpu);
            const int code = run_one(arguments, arguments.first + i, arguments.seeds == 1);
            std::fflush(stdout);
            ::_exit(code);
        }
        running.emplace(pid, arguments.first + i);
    }
    while (!running.empty()) wait_for_one();
    std::printf("%llu seeds, %llu failed\n", static_cast<unsigned long long>(arguments.seeds),
                static_cast<unsigned long long>(failed));
    return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    arguments.binary = argv[0];
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const auto number = [&] {
            return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0;
        };
        if (name == "--seed" || name == "--first") {
            arguments.first = number();
        } else if (name == "--seeds") {
            arguments.seeds = number();
        } else if (name == "--boots") {
            arguments.boots = static_cast<std::uint32_t>(number());
        } else if (name == "--steps") {
            arguments.steps = static_cast<std::uint32_t>(number());
        } else if (name == "--jobs") {
            arguments.jobs = static_cast<unsigned>(number());
        } else if (name == "--schedules") {
            arguments.run = run_schedules;
        } else if (name == "--entities") {
            arguments.run = run_entities;
        } else if (name == "--webhooks") {
            arguments.run = run_webhooks;
        } else if (name == "--workflows") {
            arguments.run = run_workflows;
        } else if (name == "--twice") {
            arguments.twice = true;
        } else {
            std::fprintf(stderr, "unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    return run_many(arguments);
}
