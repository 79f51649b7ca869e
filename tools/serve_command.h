// What: `millrace serve`: the door between the command line and the engine.
// Threads: main only. Lifetime: returns when the server has ended.
// Limits: none. Failure: 0 after a clean drain, 1 when it could not start or failed, 2 usage.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

// `arguments` are those after "serve".
int serve_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
