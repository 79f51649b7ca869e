// What: the verbs of replays in files of their own (start, diff), and what they share with those of
//       replay.cc: which events and handlers a replay is of, and how its end is waited for.
// Threads: one. Lifetime: one call. Limits: none. Failure: an exit code; it has been printed.
#pragma once

#include "tools/cli/context.h"
#include "tools/cli/json.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::tools {

inline constexpr std::chrono::milliseconds kReplayPollEvery{100};

struct ReplayChoice {
    std::string from, to, pattern, pattern_prefix, filter, pace;
    std::string source_type, source_id, correlation_id, causation_id, context_id;
    std::string event_time_from, event_time_to;
    std::vector<std::string> subscription_ids;
    std::string script_id, against, kv;
    int version = 0;
    bool all_handlers = false, dry_run = false, wait = false;
};

// What of it a list of events can be asked for, too.
void add_criteria(Query& query, const ReplayChoice& o);
void add_replay_selection(CLI::App* verb, ReplayChoice& o);
std::string replay_body(const ReplayChoice& o);
// Names become ids. False after an error has been printed.
bool find_handlers(CliContext& context, ReplayChoice& o);

bool replay_ended(const std::string& status);
void tell_not_due(CliContext& context, const Document& reply);
// Follows a replay to its end, of so many events (0: not known). The exit code says whether all of
// it was delivered.
int follow_replay(CliContext& context, const std::string& id, std::int64_t events);

void add_replay_start(CLI::App& replay, CliContext& context);
void add_replay_diff(CLI::App& replay, CliContext& context);

}  // namespace millrace::tools
