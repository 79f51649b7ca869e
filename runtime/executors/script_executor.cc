#include "runtime/executors/script_executor.h"

#include "core/http_url.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/event_input.h"
#include "runtime/delivery/workflow_turn.h"
#include "runtime/executors/script_trial.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

// Who does not answer one tenant's scripts takes the room of that tenant's calls to it. Apart from
// actions, whose groups are their numbers.
void join_group(core::TenantId tenant, courier::HttpCall& call) {
    call.owner = tenant.value;
    const auto url = core::HttpUrl::parse(call.url);
    if (!url) return;
    const std::uint64_t of = (std::uint64_t{tenant.value} << 32) | (std::uint64_t{url->port} << 1) |
                             static_cast<std::uint64_t>(url->tls);
    constexpr std::uint64_t kNoAction = std::uint64_t{1} << 62;
    call.group = (XXH3_64bits_withSeed(url->host.data(), url->host.size(), of) & (kNoAction - 1)) |
                 kNoAction;
    call.group_calls_max = courier::kCallsPerOriginMax;
}

AttemptOutcome outcome_of(InvocationStatus status) {
    switch (status) {
        case InvocationStatus::kCompleted: return AttemptOutcome::kOk;
        case InvocationStatus::kSilent: return AttemptOutcome::kSilent;
        case InvocationStatus::kFatal: return AttemptOutcome::kFatal;
        default: return AttemptOutcome::kFailed;
    }
}

constexpr std::size_t kLazyTextBytesMax = 128;
constexpr std::size_t kTurnsMax = 256;  // of runs that waited, in one turn of the lane

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

// ---- runs that wait

PendingBounds ScriptExecutor::bounds(const AttemptInput& input) const {
    const auto at = waiting_.find(input.ticket.value);
    const std::int64_t timeout_ms = at == waiting_.end() ? 0 : at->second->script->timeout_ms;
    return {kWindow, timeout_ms + kGraceMs};
}

void ScriptExecutor::wake_at(std::uint64_t ticket, Waiting& waiting, std::int64_t at_ns) {
    wakes_.erase({waiting.wake_at_ns, ticket});
    waiting.wake_at_ns = at_ns;
    wakes_.insert({at_ns, ticket});
}

std::int64_t ScriptExecutor::time_ms(const Waiting& waiting) {
    const std::uint32_t own = waiting.context.timeout_ms;
    return own != 0 ? own : waiting.script->timeout_ms;
}

// At the end of its time it is woken as well, and told so.
void ScriptExecutor::put_to_sleep(std::uint64_t ticket, Waiting& waiting, LuaTurn& turn) {
    waiting.run = turn.run;
    const bool asks = turn.wait.kind == LuaWait::Kind::kAction;
    const bool calls = asks || turn.wait.kind == LuaWait::Kind::kHttp;
    const std::int64_t now_ns = waiting.host.monotonic_ns();
    const auto left_ms = static_cast<double>(waiting.ends_at_ns - now_ns) / 1e6;
    const double ms = std::max(0.0, calls ? left_ms : std::min(turn.wait.ms, left_ms));
    wake_at(ticket, waiting, now_ns + static_cast<std::int64_t>(ms * 1e6));
    if (asks)
        ask_out(ticket, waiting, turn);
    else if (calls)
        call_out(ticket, waiting, turn);
}

// ---- calls to the outside

// Of a delivery: the span that its calls are made in. A call has none of its own: who called is
// their parent.
void ScriptExecutor::add_trace(const AttemptInput& input, Waiting& waiting) const {
    if (input.call) {
        const TraceTexts came = split_trace(input.call->trace);
        waiting.traceparent = came.parent;
        waiting.tracestate = came.state;
        return;
    }
    if (!input.event || (!traces_.exports && !has_trace(input.event->fills))) return;
    const EmitCause cause = waiting.host.emit_cause();
    const TraceContext own =
        trace_of_attempt(
            {.fills = input.event->fills,
             .chain = cause.correlation_id.empty() ? cause.event_id : cause.correlation_id,
             .delivery_id = waiting.delivery_id,
             .attempt = input.attempt,
             .replay = input.replay_json},
            traces_.sample)
            .own;
    waiting.traceparent = traceparent_text(own);
    waiting.tracestate = own.state;
}

// A script that has a trace of its own says so itself.
void ScriptExecutor::tell_trace(const Waiting& waiting, courier::HttpCall& call) {
    TraceHeaders said;
    for (const auto& [name, value] : call.headers) {
        if (said.take(name, value)) return;
    }
    call.headers.emplace_back("traceparent", waiting.traceparent);
    if (!waiting.tracestate.empty()) call.headers.emplace_back("tracestate", waiting.tracestate);
}

// POST and PATCH carry what a receiver knows repeats by: the same over all attempts.
void ScriptExecutor::call_out(std::uint64_t ticket, Waiting& waiting, LuaTurn& turn) {
    waiting.calls.clear();
    waiting.asks = false;
    waiting.call_answers.clear();
    waiting.call_answers.resize(turn.calls.size());
    waiting.calls_left = turn.calls.size();
    for (std::size_t i = 0; i < turn.calls.size(); ++i) {
        courier::HttpCall& call = turn.calls[i];
        ++waiting.calls_made;
        join_group(waiting.script->tenant, call);
        if (!waiting.texts.chain.empty())
            call.headers.emplace_back(kHookChainHeader, waiting.texts.chain);
        const bool named = std::any_of(call.headers.begin(), call.headers.end(), [](auto& header) {
            return header.first == "idempotency-key" || header.first == "Idempotency-Key";
        });
        if (!named && (call.method == "POST" || call.method == "PATCH")) {
            call.headers.emplace_back(
                "idempotency-key", waiting.delivery_id + "-" + std::to_string(waiting.calls_made));
        }
        if (!waiting.traceparent.empty()) tell_trace(waiting, call);
        if (waiting.script->record_calls) waiting.record.called(call);
        const std::uint64_t number = ++last_call_;
        waiting.calls.push_back(number);
        calls_.emplace(number, std::pair(ticket, i));
        courier::HttpAnswer refused;
        refused.url = call.url;
        if (http_ && http_->send(*this, number, std::move(call))) continue;
        refused.fault = courier::HttpFault::kConnect;
        refused.message = http_ ? "too many calls wait to be made"
                                : "this server offers scripts no outbound http";
        receive(number, std::move(refused));
    }
}

void ScriptExecutor::ask_out(std::uint64_t ticket, Waiting& waiting, LuaTurn& turn) {
    const std::uint64_t number = ++last_call_;
    waiting.calls = {number};
    waiting.calls_left = 1;
    waiting.asks = true;
    waiting.reply.reset();
    calls_.emplace(number, std::pair(ticket, std::size_t{0}));
    OutsideAsk ask = std::move(turn.ask);
    ask.tenant = waiting.script->tenant;
    ask.key = waiting.delivery_id + "-" + std::to_string(++waiting.calls_made);
    ask.traceparent = waiting.traceparent;
    ask.tracestate = waiting.tracestate;
    if (waiting.script->record_calls) waiting.record.asked(ask);
    if (actions_ && actions_->ask(*this, number, std::move(ask))) return;
    OutsideAnswer refused;
    refused.code = actions_ ? "BUSY" : "DISABLED";
    refused.message =
        actions_ ? "too many calls wait to be made" : "this server offers scripts no actions";
    answered(number, std::move(refused));
}

void ScriptExecutor::answered(std::uint64_t ticket, OutsideAnswer&& answer) {
    {
        const std::lock_guard lock(answers_mutex_);
        replies_.emplace_back(ticket, std::move(answer));
    }
    port_.wake();
}

void ScriptExecutor::drop_calls(Waiting& waiting) {
    for (const std::uint64_t number : waiting.calls) {
        if (calls_.erase(number) == 0) continue;
        if (waiting.asks && actions_) actions_->cancel(*this, number);
        if (!waiting.asks && http_) http_->cancel(*this, number);
    }
    waiting.calls.clear();
    waiting.calls_left = 0;
}

void ScriptExecutor::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    {
        const std::lock_guard lock(answers_mutex_);
        call_answers_.emplace_back(ticket, std::move(answer));
    }
    port_.wake();
}

// A run goes on when all its calls have been answered.
std::size_t ScriptExecutor::take_call_answers() {
    std::vector<std::pair<std::uint64_t, courier::HttpAnswer>> answers;
    std::vector<std::pair<std::uint64_t, OutsideAnswer>> replies;
    {
        const std::lock_guard lock(answers_mutex_);
        answers.swap(call_answers_);
        replies.swap(replies_);
    }
    for (auto& [number, reply] : replies) {
        const auto known = calls_.find(number);
        if (known == calls_.end()) continue;
        const std::uint64_t ticket = known->second.first;
        calls_.erase(known);
        Waiting& waiting = *waiting_.at(ticket);
        waiting.reply = std::move(reply);
        waiting.calls_left = 0;
        wake_at(ticket, waiting, 0);
    }
    for (auto& [number, answer] : answers) {
        const auto known = calls_.find(number);
        if (known == calls_.end()) continue;  // nobody waits for it any more
        const auto [ticket, index] = known->second;
        calls_.erase(known);
        Waiting& waiting = *waiting_.at(ticket);
        waiting.call_answers[index] = std::move(answer);
        if (--waiting.calls_left == 0) wake_at(ticket, waiting, 0);
    }
    return answers.size() + replies.size();
}

// True: the answer is there.
bool ScriptExecutor::go_on(std::uint64_t ticket, Waiting& waiting) {
    LuaTurn turn;
    LuaVm* vm = waiting.vm;
    if (vm) {
        if (waiting.calls_left != 0) {  // its time is over
            drop_calls(waiting);
            waiting.call_answers.clear();
        }
        waiting.calls.clear();
        if (waiting.script->record_calls) {
            waiting.record.answered(waiting.call_answers, waiting.host.wall_us());
            if (waiting.reply) waiting.record.answered(*waiting.reply, waiting.host.wall_us());
        }
        turn = vm->resume(waiting.run, std::move(waiting.call_answers), std::move(waiting.reply));
        waiting.call_answers.clear();
        waiting.reply.reset();
    } else {
        if (waiting.begun_again++ == kAgainMax) {
            waiting.answer.fail("its Lua state was thrown away too often while it waited",
                                AttemptOutcome::kSilent);
            return true;
        }
        const ScriptCache::Compiled at =
            compiled(cache_of(waiting.context, waiting.tried), *waiting.script, waiting.answer);
        if (!at.vm) return true;
        vm = waiting.vm = at.vm;
        waiting.ends_at_ns = waiting.host.monotonic_ns() + time_ms(waiting) * 1'000'000;
        turn = vm->start(at.handle, waiting.event, waiting.context, waiting.host);
        if (!turn.ended) vm->keep(turn.run, waiting.event, waiting.context, waiting.host);
    }
    if (!turn.ended) {
        put_to_sleep(ticket, waiting, turn);
        return false;
    }
    waiting.vm = nullptr;  // not among those who lose their state with this run
    if (turn.kv_changed) return make_again(ticket, waiting);
    waiting.answered = true;
    take_result(*vm, *waiting.script, waiting.context, waiting.host, waiting.answer);
    waiting.record.append_to(waiting.answer.logs_json);
    if (waiting.context.workflow) return true;
    count_canary(*waiting.script, waiting.answer,
                 (waiting.host.monotonic_ns() - waiting.began_ns) / 1000);
    return true;
}

// Nothing of it has taken effect: it begins anew and sees what the others did.
bool ScriptExecutor::make_again(std::uint64_t ticket, Waiting& waiting) {
    if (waiting.kv_changed++ == kKvChangedMax) {
        waiting.answer.fail("kv that it had read was changed by others too often while it waited",
                            AttemptOutcome::kSilent);
        return true;
    }
    waiting.begun_again = 0;
    waiting.calls_made = 0;
    waiting.record.clear();
    wake_at(ticket, waiting, 0);
    return false;
}

// What waits in a state that goes has to begin again: nothing of it has taken effect.
void ScriptExecutor::state_lost(LuaVm* vm) {
    for (auto& [ticket, waiting] : waiting_) {
        if (waiting->vm != vm) continue;
        waiting->vm = nullptr;
        drop_calls(*waiting);
        waiting->call_answers.clear();
        waiting->calls_made = 0;
        waiting->record.clear();
        wake_at(ticket, *waiting, 0);
    }
}

void ScriptExecutor::abandon(AttemptTicket ticket) {
    const auto at = waiting_.find(ticket.value);
    if (at == waiting_.end()) return;
    Waiting& waiting = *at->second;
    if (waiting.vm) waiting.vm->drop(waiting.run);
    drop_calls(waiting);
    wakes_.erase({waiting.wake_at_ns, ticket.value});
    waiting_.erase(at);
}

std::size_t ScriptExecutor::do_work() {
    std::size_t done = take_call_answers();
    while (!wakes_.empty() && done < kTurnsMax) {
        const auto [at_ns, ticket] = *wakes_.begin();
        Waiting& waiting = *waiting_.at(ticket);
        if (at_ns > waiting.host.monotonic_ns()) break;
        ++done;
        if (!waiting.answered && !go_on(ticket, waiting)) continue;
        waiting.answered = true;
        // What the next one reads of kv must be there: the lane settles this one before.
        const bool writes_kv = !waiting.answer.effects.kv_ops.empty();
        if (!port_.answer(AttemptTicket(ticket), waiting.answer)) break;
        wakes_.erase({waiting.wake_at_ns, ticket});
        waiting_.erase(ticket);
        if (writes_kv) break;
    }
    return done;
}

std::optional<std::int64_t> ScriptExecutor::next_work_ns() const {
    {
        const std::lock_guard lock(answers_mutex_);
        if (!call_answers_.empty() || !replies_.empty()) return 0;
    }
    if (wakes_.empty()) return std::nullopt;
    return wakes_.begin()->first;
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
