// What: what the verbs of handlers share: the options that describe one, its request body, and how
//       one is shown.
// Threads: one. Lifetime: one call. Limits: the server's.
// Failure: the exit code; it has been printed why.
#pragma once

#include "core/json_dom.h"
#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace millrace::tools {

struct HandlerOptions {
    std::string name, id, pattern, pattern_type, filter, filters, script_id, lua_file, executor;
    std::string file;
    std::int64_t priority = 0;
    std::int64_t max_retries = -1, initial_delay_ms = -1, max_delay_ms = -1;
    double backoff_factor = 0;
    bool no_jitter = false, inactive = false, of_edges = false;
};

void add_handler_options(CLI::App& verb, HandlerOptions& o);  // all but --id and --file
// Reads --filters, finds --script, pushes --lua.
int read_handler_options(CliContext& context, const HandlerOptions& o, std::string& script_id,
                         std::string& filters);
// The members that were told, as POST and PATCH take them.
std::string subscription_of(const HandlerOptions& o, const std::string& script_id,
                            const std::string& filters);

std::string pattern_text(core::JsonElement subscription);
std::string executor_text(core::JsonElement subscription);

// show, update, enable, disable, deploy.
void add_handler_changes(CLI::App& handler, CliContext& context);
void add_handler_preview(CLI::App& handler, CliContext& context);

}  // namespace millrace::tools
