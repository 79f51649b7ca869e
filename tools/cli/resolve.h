// What: finds what an argument means: an id, else a name, else the beginning of an id.
// Threads: one. Lifetime: one call. Limits: looks through every page of the list.
// Failure: empty, after it has been printed why there is none, or which ones there are.
#pragma once

#include "tools/cli/context.h"

#include <string>
#include <string_view>

namespace millrace::tools {

struct ResourceKind {
    std::string_view path;  // "/v2/scripts"
    std::string_view noun;  // "script"
};
inline constexpr ResourceKind kScripts{"/v2/scripts", "script"};
inline constexpr ResourceKind kHandlers{"/v2/subscriptions", "handler"};

std::string resolve(CliContext& context, const ResourceKind& kind, const std::string& text);
// As a filter: what nothing is called by is taken for the id of one that is gone. Empty stays so.
// False after an error has been printed.
bool resolve_filter(CliContext& context, const ResourceKind& kind, std::string& text);

// The one with exactly this name. `several` gets the ids when there are more; false after an error
// has been printed.
bool find_by_name(CliContext& context, const ResourceKind& kind, std::string_view name,
                  std::vector<std::string>& ids);

}  // namespace millrace::tools
