// What: `millrace bench`: how fast this machine is with it: a server of this binary on a folder of
//       its own (or one that runs already), loaded through its HTTP edge, beside the disk alone.
// Threads: one; the server is a child process.
// Lifetime: one call; the folder is removed.
// Limits: the load is made on the same machine and takes its share of it.
// Failure: exit code 1 with the reason, also when a request was refused; 2 for usage.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

int bench_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
