// What: the console as it is built into the program (dist/, made of src/ by build.mjs).
// Threads: constants. Lifetime: of the program. Limits: none. Failure: none.
#pragma once

#include "runtime/api/console_file.h"

namespace millrace::tools {

runtime::api::ConsoleFiles console_files();

}  // namespace millrace::tools
