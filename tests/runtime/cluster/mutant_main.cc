// Does the simulation of partition_sim.h see anything? Linked with copies of runtime/cluster that
// hold known mistakes (mutants.py); each is switched on for seed after seed until a run goes wrong.
// One that no seed meets is a hole in the simulation, and a failure here.
//
// cluster_mutants [--seeds N] [--only NAME]
#include "mutations.h"
#include "tests/runtime/cluster/partition_sim.h"

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>

int millrace_mutation = 0;  // read by the mutated files

namespace {

using namespace millrace;

constexpr unsigned kSecondsMax = 120;

// True when a run goes wrong in any way; says how.
bool goes_wrong(int mutation, std::uint64_t seeds) {
    std::fflush(stdout);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(kSecondsMax);
        millrace_mutation = mutation;
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            test::PartitionSim sim(seed);
            sim.play();
            if (sim.wrong().empty()) continue;
            std::printf("    seed %llu: %.160s\n", static_cast<unsigned long long>(seed),
                        sim.wrong().c_str());
            std::fflush(stdout);
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) std::printf("    ended by signal %d\n", WTERMSIG(status));
    return status != 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seeds = 300;
    std::string_view only;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        if (name == "--seeds") seeds = std::strtoull(argv[i + 1], nullptr, 10);
        if (name == "--only") only = argv[i + 1];
    }
    int missed = 0;
    if (only.empty()) {
        std::printf("no mistake\n");
        missed += goes_wrong(0, seeds / 10);
    }
    for (std::size_t i = 0; i < std::size(kMutations); ++i) {
        if (!only.empty() && only != kMutations[i]) continue;
        std::printf("%s\n", kMutations[i]);
        if (goes_wrong(static_cast<int>(i) + 1, seeds)) continue;
        std::printf("    NOT CAUGHT in %llu seeds\n", static_cast<unsigned long long>(seeds));
        ++missed;
    }
    std::printf("%s\n", missed == 0 ? "ok: every mistake is caught" : "FAILED");
    return missed == 0 ? 0 : 1;
}
