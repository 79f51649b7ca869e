// What: `millrace config check|show`: what a server would be configured with, and where each value
//       is from, without starting one.
// Threads: main only. Lifetime: one call. Limits: none.
// Failure: exit code 1 with what is wrong; 2 for usage.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

bool is_config_command(const std::vector<std::string>& arguments);
int config_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
