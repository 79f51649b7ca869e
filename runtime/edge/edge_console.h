// What: GET / and /console/{file}: the console's files, with what a browser needs to know so that
//       nothing but these files ever runs in their page.
// Threads: pure. Lifetime: borrows the files. Limits: none.
// Failure: 404 where there is no such file, or no console at all.
#pragma once

#include "io/http_types.h"
#include "runtime/api/api.h"
#include "runtime/api/console_file.h"

namespace millrace::runtime {

api::ApiResponse answer_console(const io::Request& request, api::ConsoleFiles files);

}  // namespace millrace::runtime
