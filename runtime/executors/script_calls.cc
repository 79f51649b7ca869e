// What runs call outside: by http, and actions by their name; and the answers to it.
#include "core/http_url.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/executors/script_executor.h"

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

}  // namespace

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

}  // namespace millrace::runtime
