// The one binary: `millrace serve` runs the engine, a few verbs open a stopped data folder,
// everything else is the command line.
#include "runtime/node/partition_process.h"
#include "tools/bench/bench_command.h"
#include "tools/cli/cli.h"
#include "tools/config_command.h"
#include "tools/help/help_command.h"
#include "tools/offline/bootstrap_command.h"
#include "tools/offline/store_command.h"
#include "tools/offline/test_command.h"
#include "tools/serve_command.h"
#include "tools/torture/torture_command.h"

#include <iostream>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    if (!arguments.empty() && arguments.front() == "serve") {
        arguments.erase(arguments.begin());
        // Else malloc learns from the first large answer to keep blocks of that size for good.
        ::mallopt(M_MMAP_THRESHOLD, 16 << 20);
        return millrace::tools::serve_command(std::move(arguments));
    }
    // What a node of a cluster starts for each of its partitions; nobody else does.
    if (arguments.size() == 1 && arguments.front() == "partition") {
        ::mallopt(M_MMAP_THRESHOLD, 16 << 20);
        ::umask(077);
        return millrace::runtime::node::run_partition({});
    }
    if (!arguments.empty() && arguments.front() == "bench") {
        arguments.erase(arguments.begin());
        return millrace::tools::bench_command(std::move(arguments));
    }
    if (!arguments.empty() && arguments.front() == "torture") {
        arguments.erase(arguments.begin());
        return millrace::tools::torture_command(std::move(arguments));
    }
    if (!arguments.empty() && arguments.front() == "help") {
        arguments.erase(arguments.begin());
        return millrace::tools::help_command(arguments);
    }
    if (millrace::tools::is_config_command(arguments))
        return millrace::tools::config_command(std::move(arguments));
    if (!arguments.empty() && millrace::tools::is_store_command(arguments.front()))
        return millrace::tools::store_command(std::move(arguments));
    if (millrace::tools::is_test_command(arguments))
        return millrace::tools::test_command(std::move(arguments));
    if (millrace::tools::is_bootstrap_command(arguments))
        return millrace::tools::bootstrap_command(std::move(arguments));
    return millrace::tools::run_cli(
        std::move(arguments), {.out = std::cout,
                               .err = std::cerr,
                               .terminal = millrace::tools::standard_output_terminal(),
                               .progress_enabled = isatty(STDERR_FILENO) != 0,
                               .asks = isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0});
}
