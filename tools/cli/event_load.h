// What: `event create --file`: loads a file of JSON lines (or standard input) through the edge, in
//       batches, with a progress line on a terminal.
// Threads: one. Lifetime: one call. Limits: a batch of at most 8 MiB, a line of at most 1 MiB.
// Failure: refused entries are listed with their line numbers and make the exit code 1; a failed
//       request is tried again a few times when the server says 429 or 503, then ends the load.
#pragma once

#include "tools/cli/context.h"

#include <string>

namespace millrace::tools {

int load_events(CliContext& context, const std::string& file, std::size_t batch_events);

}  // namespace millrace::tools
