// What: the verbs that work on a stopped data folder without a server: restore, verify, inspect.
// Threads: main only. Lifetime: one run per call.
// Limits: none. Failure: 0 well, 1 damage found or it could not be done, 2 usage.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

bool is_store_command(const std::string& name);
// `arguments` with the verb in front.
int store_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
