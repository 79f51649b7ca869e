// What: the command line: `millrace <noun> <verb> [options]` over the server's HTTP interface.
// Threads: one. Lifetime: one run per call.
// Limits: none. Failure: 0 ok, 1 failed (told on `err`), 2 usage.
#pragma once

#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace millrace::tools {

// `arguments` without the program's name.
int run_cli(std::vector<std::string> arguments, CliStreams streams);

// "event:create" as the command becomes "event", "create"; option values are left alone.
std::vector<std::string> split_colon_command(std::vector<std::string> arguments);

// One per noun: adds its verbs and, when one is chosen, sets context.action.
void add_event_commands(CLI::App& app, CliContext& context);
void add_handler_commands(CLI::App& app, CliContext& context);
void add_script_commands(CLI::App& app, CliContext& context);
void add_execution_commands(CLI::App& app, CliContext& context);
void add_dlq_commands(CLI::App& app, CliContext& context);
void add_replay_commands(CLI::App& app, CliContext& context);
void add_schedule_commands(CLI::App& app, CliContext& context);
void add_workflow_commands(CLI::App& app, CliContext& context);
void add_endpoint_commands(CLI::App& app, CliContext& context);
void add_action_commands(CLI::App& app, CliContext& context);
void add_import_commands(CLI::App& app, CliContext& context);
void add_entity_commands(CLI::App& app, CliContext& context);
void add_hook_commands(CLI::App& app, CliContext& context);
void add_backup_command(CLI::App& app, CliContext& context);
void add_past_commands(CLI::App& app, CliContext& context);
void add_key_commands(CLI::App& app, CliContext& context);
void add_tenant_commands(CLI::App& app, CliContext& context);
void add_stats_command(CLI::App& app, CliContext& context);
void add_cluster_commands(CLI::App& app, CliContext& context);
void add_edge_commands(CLI::App& app, CliContext& context);
void add_link_commands(CLI::App& app, CliContext& context);
void add_source_commands(CLI::App& app, CliContext& context);
void add_schema_commands(CLI::App& app, CliContext& context);
void add_secret_commands(CLI::App& app, CliContext& context);
void add_context_commands(CLI::App& app, CliContext& context);
void add_health_commands(CLI::App& app, CliContext& context);

}  // namespace millrace::tools
