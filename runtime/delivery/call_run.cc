// The part of DeliveryRun that runs what the API asked for: no event, no retries, but the same
// executors, and the effects in the commit of the run's record.
#include "matcher/subscription_spec.h"
#include "runtime/delivery/delivery_run.h"
#include "runtime/delivery/run_history.h"

#include <utility>

namespace millrace::runtime {

namespace {

void answer_endpoint(const AttemptResult& result, ScriptRunResult& answer) {
    auto made = make_endpoint_answer(result.effects.response, answer.result_json);
    if (made) answer.answer = std::move(*made);
    if (!made) answer.error = made.error().message;
    for (const std::string_view body : result.effects.subscriptions) {
        const auto spec = matcher::parse_subscription_json(body);
        if (!spec) answer.error = "sdk.events.subscribe: " + spec.error().message;
        answer.subscriptions.emplace_back(body);
    }
    if (!answer.error.empty()) answer.reason = "failed";
}

// In the commit of what the run did.
void keep_answer(store::RowBatch& rows, const EndpointCall& call, const EndpointAnswer& answer,
                 std::int64_t now_us) {
    for (const std::string& old : call.old_answers) rows.erase_registry(kEndpointAnswerKind, old);
    if (call.answer_id.empty()) return;
    rows.put_registry(kEndpointAnswerKind, call.answer_id, 1, now_us,
                      write_kept_answer({call.request_hash, now_us, answer}));
}

}  // namespace

std::string DeliveryRun::record_of(const ScriptRunJob& call, const Script& script,
                                   const ScriptRunResult& answer, std::string_view result) {
    const std::string by = identity::actor_of(call.caller);
    RunRecord run;
    run.by = by;
    run.id = call.execution_id;
    run.tenant = call.caller.tenant;
    run.script_id = script.id;
    run.script_version = script.version;
    run.started_at_us = answer.started_at_us;
    run.duration_us = answer.duration_us;
    run.error = answer.error;
    run.logs = answer.logs_json;
    run.result = result;
    return run_document(run);
}

void DeliveryRun::keep_run(const ScriptRunJob& call, const ScriptRunResult& answer,
                           std::string_view record) {
    builder_.rows().put_registry(kRunKind, call.execution_id, 1, answer.started_at_us, record);
}

// What the caller is told is true whatever becomes of the commit: nothing was to be written, and
// nothing was read that another run has written and that may not be durable yet. A failed run is
// told with the id of its execution, which is to be found then.
bool DeliveryRun::waits_for_nothing(const ScriptRunJob& call, const AttemptEffects& effects,
                                    const ScriptRunResult& answer, std::size_t record_bytes) const {
    if (!call.endpoint || !call.goes_ahead || !call.endpoint->answer_id.empty()) return false;
    if (!answer.status || !answer.error.empty() || kv_was_read_ || !effects.empty()) return false;
    return call.goes_ahead(record_bytes);
}

// When it is durable, or at once where nothing but the record is to be written.
void DeliveryRun::answer_call(OpenJob& open, std::shared_ptr<ScriptRunResult> answer,
                              std::int64_t began_ns) {
    ScriptRunJob& call = *open.job->run;
    now_ns_ = deps_.clock->monotonic_ns();
    answer->execution_id = call.execution_id;
    answer->started_at_us = began_ns / 1000 + wall_minus_monotonic_us_;
    answer->duration_us = (now_ns_ - began_ns) / 1000;
    end_item(open);
    if (!answer->record.empty()) return call.done(std::move(*answer));
    builder_.result().when_durable.push_back(
        [done = std::move(call.done), answer = std::move(answer)] { done(std::move(*answer)); });
}

// NOLINTNEXTLINE(misc-no-recursion): once a hook of a change
void DeliveryRun::start_call(OpenJob& open, const RegistrySnapshot& registry) {
    if (open.job->run->entity && !next_hook(open, registry)) return;
    const std::int64_t began_ns = now_ns_;
    AttemptInput input;
    input.ticket = pending_.next_ticket();
    input.registry = &registry;
    input.call = open.job->run.get();
    input.host = host_of(input.call->caller.tenant);
    input.started_at_us = wall_now_us();
    result_.reset();
    kv_was_read_ = false;
    running_call_ = input.call->execution_id;
    Executor* executor = executors_[static_cast<std::size_t>(ExecutorType::kScript)].get();
    if (executor && executor->start(input, result_) == Executor::Start::kPending) {
        remember({&open, 0}, input, executor, {});
        now_ns_ = deps_.clock->monotonic_ns();
        return;
    }
    end_call(open, registry, result_, began_ns);
}

// NOLINTNEXTLINE(misc-no-recursion): as start_call()
void DeliveryRun::end_call(OpenJob& open, const RegistrySnapshot& registry, AttemptResult& result,
                           std::int64_t began_ns) {
    ScriptRunJob& call = *open.job->run;
    count_kill(result);
    // What the caller asked for is answered as it is; what is kept and told of it has no secrets.
    std::string answered = result.result_json;
    hide_secrets(call.caller.tenant, nullptr, result);
    if (call.entity) return end_hook(open, registry, result);
    auto answer = std::make_shared<ScriptRunResult>();
    answer->execution_id = call.execution_id;
    answer->logs_json = result.logs_json;
    const Script* script = registry.script(ScriptNumber(call.script_number));
    if (!script || !script->enabled) {
        answer->status =
            core::fail(core::ErrorCode::kNotFound, "scriptId: the script was removed or disabled");
    } else if (result.outcome == AttemptOutcome::kOk) {
        answer->result_json = std::move(answered);
        if (call.endpoint) answer_endpoint(result, *answer);
        if (answer->error.empty())
            builder_.take(result.effects, call.caller.tenant, wall_now_us(), call.trace);
    } else {
        answer->error = result.error;
        answer->reason = result.outcome_text;
    }
    now_ns_ = deps_.clock->monotonic_ns();
    answer->started_at_us = began_ns / 1000 + wall_minus_monotonic_us_;
    answer->duration_us = (now_ns_ - began_ns) / 1000;
    std::string record;
    if (answer->status) record = record_of(call, *script, *answer, result.result_json);
    if (waits_for_nothing(call, result.effects, *answer, record.size()))
        answer->record = std::move(record);
    else if (answer->status)
        keep_run(call, *answer, record);
    if (call.endpoint && answer->status && answer->error.empty())
        keep_answer(builder_.rows(), *call.endpoint, answer->answer, wall_now_us());
    answer_call(open, std::move(answer), began_ns);
}

}  // namespace millrace::runtime
