#include "runtime/executors/command_executor.h"

#include "core/json_validate.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/executors/command_job.h"
#include "runtime/registry/executor_specs.h"

namespace millrace::runtime {
namespace {

constexpr int kExitFatal = 65;  // EX_DATAERR: trying again does not help
constexpr std::size_t kErrorBytesTold = 2u << 10;

std::string_view last_of(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return text.size() <= kErrorBytesTold ? text : text.substr(text.size() - kErrorBytesTold);
}

std::string with_errors(std::string what, const CommandEnd& end) {
    const std::string_view said = last_of(end.err);
    if (!said.empty()) what.append(": ").append(said);
    return what;
}

// What it wrote, as JSON: itself, or a text.
std::string result_of(std::string_view out) {
    while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.remove_suffix(1);
    std::string json;
    if (out.empty()) return json;
    if (core::json_validate(out)) return std::string(out);
    core::append_json_string(json, out);
    return json;
}

// One line of the record's logs: what it said on the side.
std::string logs_of(const CommandEnd& end, std::int64_t now_us) {
    const std::string_view said = last_of(end.err);
    std::string out;
    if (said.empty()) return out;
    core::JsonWriter json(out);
    json.begin_array().begin_object().field("level", "info").field("text", said);
    json.field("at", core::format_timestamp(now_us)).end_object().end_array();
    return out;
}

}  // namespace

void judge_command(const CommandEnd& end, std::int64_t now_us, AttemptResult& result) {
    using How = CommandEnd::How;
    result.logs_json = logs_of(end, now_us);
    switch (end.how) {
        case How::kRefused: return result.fail(end.why, AttemptOutcome::kFatal);
        case How::kNotStarted: return result.fail(end.why);
        case How::kTimeout:
            result.fail(with_errors(
                "stopped after " + std::to_string(end.timeout_ms) + " ms, with all its group",
                end));
            result.outcome_text = "timeout";
            return;
        case How::kSignalled:
            return result.fail(with_errors("killed by signal " + std::to_string(end.code), end));
        case How::kExited: break;
    }
    if (end.code != 0) {
        const std::string what = with_errors("exit code " + std::to_string(end.code), end);
        return result.fail(
            what, end.code == kExitFatal ? AttemptOutcome::kFatal : AttemptOutcome::kFailed);
    }
    result.outcome = AttemptOutcome::kOk;
    result.outcome_text = "completed";
    result.result_json = result_of(end.out);
}

Executor::Start CommandExecutor::start(const AttemptInput& input, AttemptResult& result) {
    const Subscription& subscription = *input.subscription;
    if (!deps_.enabled) {
        result.fail("commands are switched off (executors.command.enabled)");
        return Start::kHeld;
    }
    const OutgoingEvent event = outgoing_.event_of(input);
    const std::string id = OutgoingEvents::delivery_id_of(input);
    auto job = make_command_job(
        {&subscription, &event, id, input.attempt, deps_.clock->wall_us()},
        [&](std::string_view name, std::string& value) { return input.host->secret(name, value); });
    if (!job) {
        result.fail(job.error().message, AttemptOutcome::kFatal);
        return Start::kDone;
    }
    const std::uint64_t ticket = input.ticket.value;
    {
        const std::lock_guard lock(mutex_);
        pending_.insert(ticket);
    }
    if (deps_.commands->run(*this, ticket, std::move(*job))) return Start::kPending;
    const std::lock_guard lock(mutex_);
    pending_.erase(ticket);
    result.fail("too many commands wait to be run");
    return Start::kHeld;
}

PendingBounds CommandExecutor::bounds(const AttemptInput& input) const {
    return {deps_.running_max, input.subscription->executor.command->timeout_ms + kGraceMs};
}

void CommandExecutor::ended(std::uint64_t ticket, CommandEnd&& end) {
    {
        const std::lock_guard lock(mutex_);
        if (pending_.erase(ticket) == 0) return;  // abandoned meanwhile
    }
    AttemptResult result;
    judge_command(end, deps_.clock->wall_us(), result);
    answers_.tell(AttemptTicket(ticket), std::move(result));
}

void CommandExecutor::abandon(AttemptTicket ticket) {
    {
        const std::lock_guard lock(mutex_);
        if (pending_.erase(ticket.value) == 0) return;
    }
    deps_.commands->cancel(*this, ticket.value);
}

}  // namespace millrace::runtime
