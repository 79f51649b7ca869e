// What: verbs of events that are files of their own: list, count and export; tail.
// Threads: one. Lifetime: one call. Limits: none. Failure: an exit code; it has been printed.
#pragma once

#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

namespace millrace::tools {

void add_event_search(CLI::App& event, CliContext& context);
void add_event_tail(CLI::App& event, CliContext& context);

}  // namespace millrace::tools
