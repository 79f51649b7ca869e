// What: one attempt of a command as a job for the runner: its arguments, environment and input. A
//       pure function of the event, the subscription and the secrets. An action that is a command
//       is filled in by the same rules.
// Threads: any. Lifetime: values. Limits: executor_specs.h.
// Failure: a template that can not be filled; it would fail again.
#pragma once

#include "core/result.h"
#include "runtime/executors/command_port.h"
#include "runtime/executors/command_template.h"
#include "runtime/executors/webhook_call.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// What every command finds in its environment: these, then `own`, then what its spec declares.
std::vector<std::string> command_env(std::vector<std::string> own);
// The program, its arguments and what its spec declares of the environment, behind what is there.
core::Status fill_command(const CommandSpec& spec, CommandFiller& filler, CommandJob& job);

core::Result<CommandJob> make_command_job(const OutgoingAttempt& attempt,
                                          const FindSecret& find_secret);

}  // namespace millrace::runtime
