// What: scripts that complete nouns, verbs and options in a shell, made from the commands that
//       there are. `millrace completion bash|zsh|fish`.
// Threads: one. Lifetime: one call; `app` outlives the action. Limits: none. Failure: none.
#pragma once

#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

#include <span>
#include <string>
#include <string_view>

namespace millrace::tools {

// Commands that are none of the client's own.
struct OtherCommand {
    std::string_view name;
    std::string_view what;
};
std::span<const OtherCommand> other_commands();

std::string completion_script(const CLI::App& app, std::string_view shell);
void add_completion_command(CLI::App& app, CliContext& context);

}  // namespace millrace::tools
