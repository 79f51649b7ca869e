// What: the pages of `millrace help` as the console shows them: /console/help-TOPIC.md, and
//       /console/help.txt, which lists them: a line each, topic, tab, title.
// Threads: constants; made at the first call. Lifetime: of the program. Limits: none.
// Failure: none.
#pragma once

#include "runtime/api/console_file.h"

namespace millrace::tools {

runtime::api::ConsoleFiles help_files();

}  // namespace millrace::tools
