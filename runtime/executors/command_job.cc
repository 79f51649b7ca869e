#include "runtime/executors/command_job.h"

#include "runtime/event/event_defaults.h"
#include "runtime/event/tenant_names.h"
#include "runtime/registry/executor_specs.h"

#include <iterator>
#include <utility>

namespace millrace::runtime {

std::vector<std::string> command_env(std::vector<std::string> own) {
    std::vector<std::string> env = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
    env.insert(env.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
    return env;
}

core::Status fill_command(const CommandSpec& spec, CommandFiller& filler, CommandJob& job) {
    job.path = spec.command;
    if (!spec.cwd.empty()) job.cwd = spec.cwd;
    for (const std::string& arg : spec.args) {
        auto filled = filler.fill_argument(arg, spec.allow_dash);
        if (!filled) return core::fail(std::move(filled.error()));
        job.args.push_back(std::move(*filled));
    }
    for (const auto& [name, value] : spec.env) {
        auto filled = filler.fill(value);
        if (!filled) return core::fail(std::move(filled.error()));
        job.env.push_back(name + "=" + *filled);
    }
    return {};
}

core::Result<CommandJob> make_command_job(const OutgoingAttempt& attempt,
                                          const FindSecret& find_secret) {
    const CommandSpec& spec = *attempt.subscription->executor.command;
    const OutgoingEvent& event = *attempt.event;
    CommandJob job;
    job.input = full_envelope(event);
    job.timeout_ms = spec.timeout_ms;
    job.env =
        command_env({"MILLRACE_DELIVERY_ID=" + std::string(attempt.delivery_id),
                     "MILLRACE_EVENT_ID=" + std::string(event.event_id),
                     "MILLRACE_PATTERN=" + std::string(event.envelope.pattern),
                     "MILLRACE_TENANT=" + std::string(tenant_name(attempt.subscription->tenant)),
                     "MILLRACE_ATTEMPT=" + std::to_string(attempt.attempt)});
    CommandFiller filler(job.input, find_secret);
    if (auto status = fill_command(spec, filler, job); !status) return core::fail(status.error());
    return job;
}

}  // namespace millrace::runtime
