// What: `millrace torture`: kills servers of this binary under load on the user's own disk, again
//       and again, and compares what they kept with a ledger outside of them.
// Threads: main and the load's clients. Lifetime: returns when the verdict is printed.
// Limits: no new cycle begins after the time that was asked for; each wait of a cycle is bounded.
// Failure: 0 every promise was kept, 1 one was broken or a server could not be started, 2 usage.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

// `arguments` are those after "torture".
int torture_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
