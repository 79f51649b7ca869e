// What: is this folder one that a server may make its store in? An empty or a missing one, or one
//       that has a store already; never one with other people's files.
// Threads: main's, before the store is opened. Lifetime: none. Limits: none.
// Failure: says what lies there and what to name instead.
#pragma once

#include "core/result.h"

#include <string>

namespace millrace::runtime {

core::Status check_data_folder(const std::string& path);

}  // namespace millrace::runtime
