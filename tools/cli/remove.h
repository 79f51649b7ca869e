// What: removes documents of a kind and says so, to people or as JSON.
// Threads: one. Lifetime: one call. Limits: none.
// Failure: an exit code; the error has been printed.
#pragma once

#include "tools/cli/context.h"
#include "tools/cli/resolve.h"

#include <string>
#include <vector>

namespace millrace::tools {

int remove_document(CliContext& context, const ResourceKind& kind, const std::string& id);
// By name, id or the beginning of one; the first that is not found or not removed ends it.
int remove_documents(CliContext& context, const ResourceKind& kind,
                     const std::vector<std::string>& texts);

}  // namespace millrace::tools
