// What: `millrace serve` where [cluster] names one: the node's own process, with the front and the
//       processes of its partitions; prints the ready line when the front listens, and ends as a
//       server does.
// Threads: main's; the front has one of its own. Lifetime: the process.
// Limits: kEndNs for everything to end. Failure: the exit code, and a line that says why.
#pragma once

#include "core/config.h"
#include "runtime/server/server.h"

namespace millrace::runtime::node {

inline constexpr std::int64_t kEndNs = 20'000'000'000;

int run_node(const core::Config& config, const ServeOptions& options);

}  // namespace millrace::runtime::node
