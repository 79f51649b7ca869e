// What: the verb `show` of documents: one of a kind, as the server says it.
// Threads: one. Lifetime: one call. Limits: none.
// Failure: an exit code; the error has been printed.
#pragma once

#include "tools/cli/context.h"
#include "tools/cli/resolve.h"

#include <CLI/CLI.hpp>

namespace millrace::tools {

// By name, id or the beginning of one.
void add_show(CLI::App& noun, CliContext& context, const ResourceKind& kind, const char* what);

}  // namespace millrace::tools
