// What: one attempt of a command as a job for the runner: its arguments, environment and input. A
//       pure function of the event, the subscription and the secrets.
// Threads: any. Lifetime: values. Limits: executor_specs.h.
// Failure: a template that can not be filled; it would fail again.
#pragma once

#include "core/result.h"
#include "runtime/executors/command_port.h"
#include "runtime/executors/webhook_call.h"

namespace millrace::runtime {

core::Result<CommandJob> make_command_job(const OutgoingAttempt& attempt,
                                          const FindSecret& find_secret);

}  // namespace millrace::runtime
