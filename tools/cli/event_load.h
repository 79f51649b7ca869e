// What: `event load` (and `event create --file`): files of JSON lines, or standard input, through
//       the edge in batches, with a progress line on a terminal. Lines of `event export` and the
//       like load as they are.
// Threads: one. Lifetime: one call. Limits: a batch of at most 8 MiB, as a line.
// Failure: refused entries are listed with file, line and byte and make the exit code 1; a failed
//       request is tried again a few times when the server says 429 or 503, then ends the load.
#pragma once

#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace millrace::tools {

int load_events(CliContext& context, const std::vector<std::string>& files,
                std::size_t batch_events);

void add_event_load(CLI::App& event, CliContext& context);

}  // namespace millrace::tools
