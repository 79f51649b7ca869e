// What: `millrace test DIR`: runs the tests of handlers that stand in a folder, without a server;
//       `millrace test --record EXECUTION_ID DIR` writes one from what a server has on record, and
//       `millrace script run FILE --event FILE` shows what a Lua file does with an event.
// Threads: one, and the watchdog's. Lifetime: one call. Limits: fixture.h.
// Failure: exit code 0: all pass; 1: one does not, or something failed; 2: usage.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

// `test`, or `script run` of a file that is here.
bool is_test_command(const std::vector<std::string>& arguments);
int test_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
