// What: pushing a Lua file to the server as a script, new or as a new version.
// Threads: one. Lifetime: one call. Limits: the server's. Failure: null after it has been printed.
#pragma once

#include "tools/cli/context.h"

#include <memory>
#include <string>

namespace millrace::tools {

struct ScriptPush {
    std::string file{};  // - for standard input
    std::string id{};
    std::string name{};  // the file's name without its ending when empty
    std::string type{};  // of a new one: event when empty
    std::int64_t timeout_ms = 0;
    std::int64_t memory_bytes = 0;
    std::vector<std::string> permissions{};
    bool record_calls = false;
    bool disabled = false;
};

// With an id or a name that exists: a new version of it, and what is not told stays as it was.
// Otherwise a new script.
std::unique_ptr<Document> push_script(CliContext& context, const ScriptPush& push);

}  // namespace millrace::tools
