// What: removes documents of a kind, after a question, and says so, to people or as JSON.
// Threads: one. Lifetime: one call. Limits: none.
// Failure: an exit code; the error has been printed.
#pragma once

#include "tools/cli/context.h"
#include "tools/cli/resolve.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace millrace::tools {

// By name, id or the beginning of one. All of them are found before the first is removed.
int remove_documents(CliContext& context, const ResourceKind& kind,
                     const std::vector<std::string>& texts, bool yes);

// The verb `remove`.
void add_remove(CLI::App& noun, CliContext& context, const ResourceKind& kind, const char* what);

}  // namespace millrace::tools
