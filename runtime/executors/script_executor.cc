#include "runtime/executors/script_executor.h"

#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/event_input.h"
#include "runtime/delivery/workflow_turn.h"
#include "runtime/executors/script_trial.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

AttemptOutcome outcome_of(InvocationStatus status) {
    switch (status) {
        case InvocationStatus::kCompleted: return AttemptOutcome::kOk;
        case InvocationStatus::kSilent: return AttemptOutcome::kSilent;
        case InvocationStatus::kFatal: return AttemptOutcome::kFatal;
        default: return AttemptOutcome::kFailed;
    }
}

constexpr std::size_t kLazyTextBytesMax = 128;

}  // namespace

ScriptExecutor::ScriptExecutor(const Deps& deps, AnswerPort& port)
    : log_(deps.log),
      event_bytes_max_(deps.event_bytes_max),
      http_(deps.http),
      actions_(deps.actions),
      canaries_(deps.canaries),
      traces_(deps.traces),
      slot_(deps.watchdog_slot),
      port_(port),
      scripts_(deps.watchdog_slot, deps.seed),
      others_(deps.watchdog_slot, deps.seed),
      workflows_(deps.watchdog_slot, deps.seed) {
    for (ScriptCache* cache : {&scripts_, &others_, &workflows_})
        cache->on_drop([this](LuaVm* vm) { state_lost(vm); });
}

Executor::Start ScriptExecutor::start(const AttemptInput& input, AttemptResult& result) {
    if (input.call) return start_call(input, result);
    const Subscription& subscription = *input.subscription;
    const Script* script = input.registry->script(subscription.executor.script);
    if (!script) {
        result.fail("script '" + subscription.executor.script_id + "' does not exist");
        return Start::kDone;
    }
    if (!script->enabled) {
        result.fail("script '" + subscription.executor.script_id + "' is disabled");
        return Start::kHeld;
    }
    if (script->type == ScriptType::kWorkflow) {
        result.fail("script '" + subscription.executor.script_id +
                        "' is a workflow: an executor of the type workflow begins it",
                    AttemptOutcome::kFatal);
        return Start::kDone;
    }
    EventInput event = event_input_of(*input.event, input.payload_at);
    event.event_id = input.event_id;
    ScriptRef tried;
    if (canaries_ && canaries_->any()) {
        const store::StoredEvent& of = *input.event;
        tried =
            canaries_->choose(*script, of.key_hash != 0 ? of.key_hash : of.position.offset.value);
        if (tried) compare_canary(input, *script, event);
        if (tried && tried->version == script->version) tried = nullptr;
        if (tried) script = tried.get();
    }
    texts_ = {};
    InvocationContext context = context_of_delivery(input, *script, texts_);
    if (!texts_.loop.empty()) {
        result.fail(texts_.loop, AttemptOutcome::kFatal);
        return Start::kDone;
    }
    context.event_bytes_max = event_bytes_max_;
    return begin(input, *script, tried, event, context, result);
}

// In the shadow: what the two versions would do with this event, now and then.
void ScriptExecutor::compare_canary(const AttemptInput& input, const Script& current,
                                    const EventInput& event) {
    constexpr std::int64_t kTrialMsMax = 1'000;
    ScriptRef candidate, baseline;
    const std::int64_t began_ns = input.host->monotonic_ns();
    if (!canaries_->compares(current, began_ns, candidate, baseline)) return;
    TrialCase what;
    what.event = event.text;
    what.event_id = event.event_id;
    what.tenant = input.event->tenant;
    what.subscription_id = input.subscription->id;
    what.subscription_number = input.subscription->number.value;
    what.now_us = input.event->received_at_us;
    what.kv_get = [&](KvSpace space, std::string_view key, std::string& value) {
        return input.host->kv_get(space, key, value);
    };
    what.kv_list = [&](KvSpace space, std::string_view prefix, LuaHost::KvVisitor& visitor) {
        return input.host->kv_list(space, prefix, visitor);
    };
    what.secret = [&](std::string_view name, std::string& value) {
        return input.host->secret(name, value);
    };
    const auto run = [&](const Script& version) {
        Script bounded = version;
        bounded.timeout_ms = std::min(bounded.timeout_ms, kTrialMsMax);
        what.script = &bounded;
        return try_script(what, slot_);
    };
    const TrialOutcome now = run(*candidate);
    const bool differs = !trial_differences(now, run(*baseline)).empty();
    canaries_->compared(current.number, differs, began_ns, input.host->monotonic_ns());
}

void ScriptExecutor::count_canary(const Script& script, const AttemptResult& result,
                                  std::int64_t us) {
    if (!canaries_ || !canaries_->any() || result.outcome == AttemptOutcome::kSilent) return;
    canaries_->ran(script, result.outcome == AttemptOutcome::kOk, us);
}

void ScriptExecutor::keep(store::RowBatch& rows, std::int64_t now_us) {
    if (!canaries_ || !canaries_->any()) return;
    canaries_->keep([&](ScriptNumber number, std::string&& figures) {
        rows.put_registry(kCanaryFiguresKind, std::to_string(number.value), 1, now_us, figures);
    });
}

// As far as the run can go without waiting; a step may wait.
Executor::Start ScriptExecutor::start_turn(const AttemptInput& input, AttemptResult& result) {
    const ScriptRunJob& call = *input.call;
    const Script& script = *call.pinned;
    EventInput event;
    event.kind = EventInput::Kind::kValue;
    event.text = call.input_json;
    event.tenant_id = tenant_name(call.caller.tenant);
    event.received_at_us = input.started_at_us;
    texts_ = {};
    InvocationContext context = context_of_call(call, script, texts_);
    context.event_bytes_max = event_bytes_max_;
    context.workflow = call.workflow.get();
    if (call.workflow->task != WorkflowTurn::Task::kGoOn)
        return begin(input, script, nullptr, event, context, result);
    const ScriptCache::Compiled at = compiled(workflows_, script, result);
    if (!at.vm) return Start::kDone;
    at.vm->invoke(at.handle, event, context, *input.host);
    take_result(*at.vm, script, context, *input.host, result);
    return Start::kDone;
}

Executor::Start ScriptExecutor::start_call(const AttemptInput& input, AttemptResult& result) {
    const ScriptRunJob& call = *input.call;
    if (call.workflow) return start_turn(input, result);
    const Script* script = input.registry->script(ScriptNumber(call.script_number));
    if (!script || !script->enabled) {
        result.fail("the script was removed or disabled");
        return Start::kDone;
    }
    if (script->type == ScriptType::kWorkflow) {
        result.fail("the script is a workflow: POST /v2/workflows/" + script->id +
                    "/execute begins it");
        return Start::kDone;
    }
    EventInput event;
    event.kind = call.entity ? EventInput::Kind::kDocument : EventInput::Kind::kValue;
    event.text = call.input_json;
    event.tenant_id = tenant_name(call.caller.tenant);
    event.received_at_us = input.started_at_us;
    texts_ = {};
    InvocationContext context = context_of_call(call, *script, texts_);
    context.event_bytes_max = event_bytes_max_;
    return begin(input, *script, nullptr, event, context, result);
}

ScriptCache::Compiled ScriptExecutor::compiled(ScriptCache& scripts, const Script& script,
                                               AttemptResult& result) {
    const ScriptCache::Compiled there = scripts.find(script);
    if (there.vm) [[likely]]
        return there;
    auto made = scripts.get(script);
    if (made) return *made;
    result.fail(made.error().message);
    return {};
}

// `tried`: it is this one, and not the newest.
Executor::Start ScriptExecutor::begin(const AttemptInput& input, const Script& script,
                                      const ScriptRef& tried, const EventInput& event,
                                      const InvocationContext& context, AttemptResult& result) {
    result.version = script.version;
    const ScriptCache::Compiled at = compiled(cache_of(context, tried != nullptr), script, result);
    if (!at.vm) return Start::kDone;
    const bool counts = canaries_ && canaries_->any() && !context.workflow;
    const std::int64_t began_ns = counts ? input.host->monotonic_ns() : 0;
    LuaTurn turn = at.vm->start(at.handle, event, context, *input.host);
    if (turn.ended) [[likely]] {
        take_result(*at.vm, script, context, *input.host, result);
        if (counts) count_canary(script, result, (input.host->monotonic_ns() - began_ns) / 1000);
        return Start::kDone;
    }
    if (input.early) {
        at.vm->drop(turn.run);
        return Start::kTooEarly;
    }
    auto waiting = std::make_unique<Waiting>();
    waiting->began_ns = counts ? began_ns : input.host->monotonic_ns();
    waiting->tried = tried != nullptr;
    waiting->script = tried              ? tried
                      : context.workflow ? input.call->pinned
                                         : input.registry->scripts.share(script.number.value);
    waiting->host.keep(*input.host);
    waiting->event_id = event.event_id;
    waiting->execution_id = context.execution_id;
    if (context.execution_id_lazy.write) {
        char text[kLazyTextBytesMax];
        const std::size_t bytes =
            context.execution_id_lazy.write(context.execution_id_lazy.self, text, sizeof text);
        waiting->execution_id.assign(text, bytes);
    }
    if (input.delivery_id.write) {
        char text[kLazyTextBytesMax];
        waiting->delivery_id.assign(
            text, input.delivery_id.write(input.delivery_id.self, text, sizeof text));
    } else {
        waiting->delivery_id = waiting->execution_id;
    }
    waiting->replay_json = context.replay_json;
    waiting->texts = std::move(texts_);
    waiting->event = event;
    waiting->event.event_id = waiting->event_id;
    waiting->context = context;
    waiting->context.script_id = waiting->script->id;
    waiting->context.execution_id = waiting->execution_id;
    waiting->context.execution_id_lazy = {};
    waiting->context.replay_json = waiting->replay_json;
    waiting->context.request_user = waiting->texts.request_user;
    waiting->ends_at_ns = waiting->host.monotonic_ns() + time_ms(*waiting) * 1'000'000;
    add_trace(input, *waiting);
    at.vm->keep(turn.run, waiting->event, waiting->context, waiting->host);
    waiting->vm = at.vm;
    Waiting& kept = *waiting;
    waiting_.emplace(input.ticket.value, std::move(waiting));
    put_to_sleep(input.ticket.value, kept, turn);
    return Start::kPending;
}

// The run of this VM that has just ended.
void ScriptExecutor::take_result(LuaVm& vm, const Script& script, const InvocationContext& context,
                                 LuaHost& host, AttemptResult& result) {
    const InvocationResult& done = vm.result();
    result.version = script.version;
    result.outcome = outcome_of(done.status);
    result.outcome_text = invocation_status_text(done.status);
    result.error = done.error;
    result.result_json = done.result_json;
    append_logs_json(result.logs_json, done);
    if (log_ && !done.logs.empty()) tell(script, context, host, done);
    vm.swap_effects(result.effects);
    if (!scripts_.discard_if_poisoned(&vm) && !others_.discard_if_poisoned(&vm))
        workflows_.discard_if_poisoned(&vm);
}

// One line of this file for each level: a chatty level does not silence the others.
void ScriptExecutor::tell(const Script& script, const InvocationContext& context, LuaHost& host,
                          const InvocationResult& done) {
    for (const LuaLogLine& said : done.logs) {
        LuaLogLine line = said;
        std::string text(said.text), members(said.fields_json);
        if (host.hide_secrets(text)) line.text = text;
        if (host.hide_secrets(members)) line.fields_json = members;
        const core::LogFields fields = {{"script", script.id},
                                        {"subscription", context.subscription_id},
                                        {"text", line.text},
                                        {"fields", line.fields_json}};
        switch (line.level) {
            case LuaLogLevel::kDebug: log_->debug("a script says", fields); break;
            case LuaLogLevel::kInfo: log_->info("a script says", fields); break;
            case LuaLogLevel::kWarn: log_->warn("a script warns", fields); break;
            case LuaLogLevel::kError: log_->error("a script reports an error", fields); break;
        }
    }
}

}  // namespace millrace::runtime
