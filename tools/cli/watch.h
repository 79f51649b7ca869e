// What: `--watch`: a verb that only looks, again and again, on a fresh screen where one is there.
// Threads: one. Lifetime: one call, until somebody ends the process. Limits: none.
// Failure: kExitUsage for a verb that changes something; else the last look's exit code.
#pragma once

#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

#include <string>

namespace millrace::tools {

void add_watch_options(CLI::App& app, CliContext& context);
// `app` has been parsed; `line` is what was asked for, as it is shown above each look.
int watch(CliContext& context, const CLI::App& app, const std::string& line);

}  // namespace millrace::tools
