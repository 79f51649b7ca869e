// Runs that wait: until when, how they go on, and how they begin again.
#include "runtime/executors/script_executor.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::size_t kTurnsMax = 256;  // of runs that waited, in one turn of the lane

}  // namespace

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

}  // namespace millrace::runtime
