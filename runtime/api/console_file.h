// What: the files of the console as they are built into the program: pages and what they load,
//       gzipped, and texts for them, plain. Nothing of them is read from a disk, but by a developer
//       who names a folder (console.dir).
// Threads: constants. Lifetime: of the program.
// Limits: tests/console holds their sizes against what a first load may weigh.
// Failure: none.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

struct ConsoleFile {
    std::string_view path;   // "/", "/console/app-1a2b3c4d.js"
    std::string_view type;   // of its content
    std::string_view etag;   // with its quotes
    std::string_view gzip;   // empty: `plain` holds it
    bool immutable = false;  // its name has its content's hash in it
    std::string_view plain = {};
};
using ConsoleFiles = std::span<const ConsoleFile>;

// What is served: those, and before them, for developers, what stands in a folder.
struct ConsoleSet {
    ConsoleFiles files{};
    std::string dir{};  // empty: none
};

}  // namespace millrace::runtime::api
