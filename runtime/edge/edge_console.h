// What: GET / and /console/{file}: the console's files, with what a browser needs to know so that
//       nothing but these files ever runs in their page. A developer's folder is read at each
//       request, on the caller's thread: NAME or NAME.gz for /console/NAME, index.html for /.
// Threads: pure. Lifetime: borrows the files. Limits: kConsoleFileBytesMax of a file there.
// Failure: 404 where there is no such file, or no console at all.
#pragma once

#include "io/http_types.h"
#include "runtime/api/api.h"
#include "runtime/api/console_file.h"

#include <cstddef>

namespace millrace::runtime {

inline constexpr std::size_t kConsoleFileBytesMax = 4u << 20;

api::ApiResponse answer_console(const io::Request& request, const api::ConsoleSet& console);

}  // namespace millrace::runtime
