// How a run begins, goes on and ends. The plain run is one protected call on the state's own stack;
// one that waits is a coroutine whose LuaRun is put aside meanwhile.
#include "runtime/lua/lua_run.h"

#include "core/assert.h"
#include "core/json_plain.h"
#include "runtime/delivery/workflow_turn.h"
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace millrace::runtime {
namespace {

// Encodes the handler's return value: index 1. Protected.
int encode_result(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    encode_json(vm, L, 1, {EncodeMode::kStrict, kLuaResultBytesMax, "the result"}, vm.result_text);
    return 0;
}

// Scalars that need no protection and no encoder.
bool encode_plain_result(lua_State* L, std::string& out) {
    switch (lua_type(L, -1)) {
        case LUA_TBOOLEAN: out += lua_toboolean(L, -1) ? "true" : "false"; return true;
        case LUA_TNUMBER: {
            const double number = lua_tonumber(L, -1);
            if (!std::isfinite(number)) return false;
            append_lua_number(out, number);
            return true;
        }
        case LUA_TSTRING: {
            const std::string_view text = string_at(L, -1);
            if (text.size() + 2 > kLuaResultBytesMax || !core::is_plain_json(text)) return false;
            out += '"';
            out += text;
            out += '"';
            return true;
        }
        default: return false;
    }
}

InvocationStatus status_of(LuaVerdict verdict) {
    switch (verdict) {
        case LuaVerdict::kSilent: return InvocationStatus::kSilent;
        case LuaVerdict::kFatal: return InvocationStatus::kFatal;
        default: return InvocationStatus::kFailed;
    }
}

// Makes ctx.eventData of plain tables. Protected.
int make_data(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    decode_json(vm, L, vm.context->event_data);
    vm.data_reference = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

// What the handler has left of its document. Protected.
int encode_document(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.data_reference);
    lua_pushliteral(L, "doc");
    lua_rawget(L, -2);
    if (lua_type(L, -1) != LUA_TTABLE && !to_view(vm, L, lua_gettop(L)))
        return luaL_error(L, "ctx.eventData.doc must stay a table");
    vm.text.clear();
    encode_json(vm, L, lua_gettop(L), {EncodeMode::kStrict, kLuaResultBytesMax, "doc"}, vm.text);
    // A table without members reads as an empty list.
    vm.effects.document = keep_text(vm, L, vm.text == "[]" ? std::string_view("{}") : vm.text);
    return 0;
}

int call_protected(LuaVmState& vm, lua_CFunction function) {
    lua_pushlightuserdata(vm.L, &vm);
    lua_pushcclosure(vm.L, function, 1);
    return lua_pcall(vm.L, 0, 0, kTracebackIndex);
}

// Returns lua_pcall's code.
int prepare_data(LuaVmState& vm) {
    if (vm.workflow && vm.workflow_drive == LUA_NOREF) return call_protected(vm, open_workflow);
    return vm.input->kind == EventInput::Kind::kDocument ? call_protected(vm, make_data) : 0;
}

void release_data(LuaVmState& vm, LuaRun& run) {
    if (run.data_reference == LUA_NOREF) return;
    luaL_unref(vm.L, LUA_REGISTRYINDEX, run.data_reference);
    run.data_reference = LUA_NOREF;
}

void begin_run(LuaVmState& vm, const LuaScript& script, const EventInput& input,
               const InvocationContext& context, LuaHost& host) {
    vm.script = &script;
    vm.input = &input;
    vm.context = &context;
    vm.host = &host;
    vm.workflow = context.workflow;
    if (vm.workflow) vm.workflow->begin();
    vm.generation = ++vm.last_generation;
    vm.views_used = 0;
    vm.verdict = LuaVerdict::kNone;
    vm.started_at_us = context.started_at_us;
    vm.timeout_ms = context.timeout_ms != 0 ? context.timeout_ms : script.timeout_ms;
    vm.root_is_event = input.kind == EventInput::Kind::kEvent;
    vm.payload_node = vm.source_node = vm.event_data_node = JsonTree::kNone;
    vm.request_user_node = vm.replay_node = JsonTree::kNone;
    vm.tree.reset();
    const char* end = input.text.data() + input.text.size();
    vm.tree.add_node(json_scan::skip_space(input.text.data(), end), end);
    vm.effects.reset();
    release_data(vm, vm);
    vm.result_text.clear();
    vm.error_text.clear();
    vm.asked_to_wait = false;
    vm.http_calls.clear();
    vm.http_answers.clear();
    vm.http_calls_made = 0;
    vm.kv_seen.clear();
}

// Pushes what is called: the handler, or the chunk while nobody knows whether it returns one.
// Returns the number of arguments.
int push_call(LuaVmState& vm, lua_State* L, const LuaScript& script) {
    if (vm.workflow) return push_workflow(vm, L, script);
    const bool handler = script.handler != LUA_NOREF;
    const int parameters = handler ? std::min(script.parameters, 2) : 2;
    lua_rawgeti(L, LUA_REGISTRYINDEX, handler ? script.handler : script.chunk);
    if (parameters >= 1) push_event(vm, L);
    if (parameters >= 2) lua_rawgeti(L, LUA_REGISTRYINDEX, vm.context_object);
    return std::max(parameters, 0);
}

int run_once(LuaVmState& vm, const LuaScript& script) {
    const int arguments = push_call(vm, vm.L, script);
    return lua_pcall(vm.L, arguments, 1, kTracebackIndex);
}

// The chunk's first run returned a function, which is on top of vm.L: that is the handler from now
// on. Answers whether to go on with it.
bool adopt_handler(LuaVmState& vm, LuaScript& script) {
    lua_State* L = vm.L;
    if (script.handler != LUA_NOREF || lua_type(L, -1) != LUA_TFUNCTION) return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.function_parameters);
    lua_pushvalue(L, -2);
    script.parameters = lua_pcall(L, 1, 1, 0) == 0 ? static_cast<int>(lua_tonumber(L, -1)) : 2;
    lua_pop(L, 1);
    script.handler = luaL_ref(L, LUA_REGISTRYINDEX);
    return true;
}

// The result is on top of vm.L. Returns lua_pcall's code.
int take_return(LuaVmState& vm) {
    lua_State* L = vm.L;
    if (lua_isnil(L, -1) || encode_plain_result(L, vm.result_text)) return 0;
    lua_pushlightuserdata(L, &vm);
    lua_pushcclosure(L, encode_result, 1);
    lua_insert(L, -2);
    return lua_pcall(L, 1, 0, kTracebackIndex);
}

int take_result(LuaVmState& vm) {
    const int code = take_return(vm);
    return code != 0 || vm.data_reference == LUA_NOREF ? code : call_protected(vm, encode_document);
}

// Between enter and leave of the watchdog, with the memory cap on. Returns lua_pcall's code.
int run_guarded(LuaVmState& vm, LuaScript& script) {
    int code = prepare_data(vm);
    if (code == 0) code = run_once(vm, script);
    if (code != 0) return code;
    if (adopt_handler(vm, script)) {
        code = run_once(vm, script);
        if (code != 0) return code;
    }
    return take_result(vm);
}

void end_run(LuaVmState& vm, int code) {
    InvocationResult& result = vm.result;
    result.status = InvocationStatus::kCompleted;
    result.result_json = {};
    result.error = {};
    result.emitted = {};
    result.kv_ops = {};
    if (vm.kill == kKillTimeout) {
        result.status = InvocationStatus::kTimeout;
        vm.text = "stopped after its deadline of " + std::to_string(vm.timeout_ms) + " ms";
    } else if (vm.kill == kKillMemory || code == LUA_ERRMEM) {
        result.status = InvocationStatus::kMemory;
        vm.kill = kKillMemory;
        vm.text = vm.allocator.refused_by_share()
                      ? "all scripts together are over their share of memory.max"
                      : "over its memory cap of " + std::to_string(vm.memory_bytes_max) + " bytes";
    } else if (vm.verdict != LuaVerdict::kNone) {
        result.status = status_of(vm.verdict);
    } else if (code != 0) {
        result.status = InvocationStatus::kFailed;
        if (vm.error_text.empty()) vm.error_text = "error while handling an error";
    }
    if (vm.kill != kKillNone) {
        // Where it was, if the traceback got that far.
        const std::size_t trace = vm.error_text.find('\n');
        if (trace != std::string::npos) vm.text.append(vm.error_text, trace);
        vm.error_text.swap(vm.text);
    }
    result.logs = vm.effects.logs;
    result.logs_cut = vm.effects.logs_cut;
    result.logs_shortened = vm.effects.logs_shortened;
    if (!result.completed()) {
        result.error = vm.error_text;
    } else {
        result.result_json = vm.result_text;
        result.emitted = vm.effects.emitted;
        result.kv_ops = vm.effects.kv_ops;
    }
    lua_settop(vm.L, kTracebackIndex);
    release_data(vm, vm);
    vm.context = nullptr;
    vm.script = nullptr;
}

// The plain run. Returns lua_pcall's code.
int run_whole(LuaVmState& vm, LuaScript& script) {
    vm.allocator.enforce(true);
    if (vm.slot) vm.slot->enter(vm.L, &vm.kill, vm.timeout_ms);
    const int code = run_guarded(vm, script);
    if (vm.slot) vm.slot->leave();
    vm.allocator.enforce(false);
    return code;
}

// ---- runs that wait

void open_thread(LuaVmState& vm) {
    if (vm.spare_thread) {
        vm.thread = std::exchange(vm.spare_thread, nullptr);
        vm.thread_reference = std::exchange(vm.spare_thread_reference, LUA_NOREF);
        return;
    }
    vm.thread = lua_newthread(vm.L);
    vm.thread_reference = luaL_ref(vm.L, LUA_REGISTRYINDEX);
}

enum class Thread : std::uint8_t { kReusable, kDead };

void close_thread(LuaVmState& vm, LuaRun& run, Thread state) {
    if (state == Thread::kReusable && !vm.spare_thread) {
        lua_settop(run.thread, 0);
        vm.spare_thread = run.thread;
        vm.spare_thread_reference = run.thread_reference;
    } else {
        luaL_unref(vm.L, LUA_REGISTRYINDEX, run.thread_reference);
    }
    if (run.own_script.alive && run.own_script.handler != LUA_NOREF)
        luaL_unref(vm.L, LUA_REGISTRYINDEX, run.own_script.handler);
    run.own_script = {};
    run.thread = nullptr;
    run.thread_reference = LUA_NOREF;
}

// They exchange their memory; what stands in `one` is as it was.
void keep_room(JsonTree& one, JsonTree& other) {
    std::swap(one, other);
    one = other;
}

// Puts the run aside. The handler may be gone from the VM when it goes on: it has its own.
LuaTurn put_aside(LuaVmState& vm) {
    give_views_away(vm);
    vm.views_used = 0;
    auto run = std::make_unique<LuaRun>();
    std::swap(*run, static_cast<LuaRun&>(vm));
    // What has room for many stays here; one that waits takes along what it needs.
    if (run->tree.is_small()) keep_room(run->tree, vm.tree);
    if (run->effects.empty()) std::swap(run->effects, vm.effects);
    LuaTurn turn;
    turn.ended = false;
    turn.run = ++vm.last_run;
    turn.wait = run->wait;
    turn.calls = std::move(run->http_calls);
    run->http_calls.clear();
    if (turn.wait.kind == LuaWait::Kind::kAction) turn.ask = std::move(run->ask);
    if (!run->own_script.alive) {
        run->own_script = *run->script;
        if (run->own_script.handler != LUA_NOREF) {
            lua_rawgeti(vm.L, LUA_REGISTRYINDEX, run->own_script.handler);
            run->own_script.handler = luaL_ref(vm.L, LUA_REGISTRYINDEX);
        }
    }
    run->script = nullptr;
    vm.waiting_runs.emplace(turn.run, std::move(run));
    return turn;
}

// Goes on until the run waits or ends; `arguments` are on the coroutine's stack.
LuaTurn go_on(LuaVmState& vm, LuaScript& script, int arguments, std::uint32_t budget_ms) {
    lua_State* thread = vm.thread;
    vm.wait = {};
    vm.allocator.enforce(true);
    if (vm.slot) vm.slot->enter(vm.L, &vm.kill, budget_ms);
    int code = 0;
    for (;;) {
        code = lua_resume(thread, arguments);
        if (code != 0) break;
        if (lua_gettop(thread) == 0) lua_pushnil(thread);
        lua_settop(thread, 1);
        lua_xmove(thread, vm.L, 1);
        if (!adopt_handler(vm, script)) break;
        arguments = push_call(vm, thread, script);
    }
    const bool waits =
        code == LUA_YIELD && vm.wait.kind != LuaWait::Kind::kNone && vm.kill == kKillNone;
    if (code == 0) {
        code = take_result(vm);
    } else if (code == LUA_YIELD && !waits) {
        vm.error_text = "attempt to yield outside of a coroutine";
    } else if (code != LUA_YIELD) {
        tell_error_of(vm, thread);
    }
    if (vm.slot) vm.slot->leave();
    vm.allocator.enforce(false);
    if (waits) return put_aside(vm);
    close_thread(vm, vm, lua_status(thread) == 0 ? Thread::kReusable : Thread::kDead);
    end_run(vm, code);
    return {};
}

}  // namespace

namespace {

// {code, message}, with the script's own line.
int raise_not_allowed(lua_State* L) {
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "AWAIT_NOT_ALLOWED");
    lua_setfield(L, -2, "code");
    const char* const at = push_author_line(L);
    lua_pushfstring(L,
                    "AWAIT_NOT_ALLOWED: %sthere is no way to wait inside a callback of "
                    "table.sort, string.gsub and the like",
                    at);
    lua_remove(L, -2);  // the line
    lua_setfield(L, -2, "message");
    return lua_error(L);
}

}  // namespace

int wait_for(LuaVmState& vm, lua_State* L, const LuaWait& wait) {
    if (vm.waiting == LuaWaiting::kAtOnce) return 0;
    if (vm.waiting == LuaWaiting::kAsks) {
        vm.asked_to_wait = true;  // stands, also when the script catches the error
        return luaL_error(L, "the run begins again, so that it can wait");
    }
    if (!lua_isyieldable(L)) return raise_not_allowed(L);
    vm.wait = wait;
    if (L == vm.thread) return lua_yield(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.await_mark);
    return lua_yield(L, 1);
}

int sdk_sleep(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    require_step(vm, L, "sdk.sleep", "; wf.sleep(ms) waits as the run");
    const double ms = luaL_checknumber(L, 1);
    if (!(ms >= 0) || std::isinf(ms))
        return luaL_error(L, "sdk.sleep: the milliseconds must be a number from 0 on");
    return wait_for(vm, L, {LuaWait::Kind::kSleep, ms});
}

const InvocationResult& LuaVm::invoke(ScriptHandle handle, const EventInput& input,
                                      const InvocationContext& context, LuaHost& host) {
    LuaVmState& vm = *state_;
    MR_ASSERT(handle.index < vm.scripts.size() && vm.scripts[handle.index].alive);
    MR_ASSERT(vm.kill == kKillNone);
    LuaScript& script = vm.scripts[handle.index];
    begin_run(vm, script, input, context, host);
    vm.waiting = LuaWaiting::kAtOnce;
    end_run(vm, run_whole(vm, script));
    return vm.result;
}

LuaTurn LuaVm::start(ScriptHandle handle, const EventInput& input, const InvocationContext& context,
                     LuaHost& host) {
    LuaVmState& vm = *state_;
    MR_ASSERT(handle.index < vm.scripts.size() && vm.scripts[handle.index].alive);
    MR_ASSERT(vm.kill == kKillNone);
    LuaScript& script = vm.scripts[handle.index];
    if (!script.waits) {
        begin_run(vm, script, input, context, host);
        vm.waiting = LuaWaiting::kAsks;
        const int code = run_whole(vm, script);
        if (!vm.asked_to_wait || vm.kill != kKillNone) [[likely]] {
            end_run(vm, code);
            return {};
        }
        // Nothing of it has taken effect.
        lua_settop(vm.L, kTracebackIndex);
        script.waits = true;
    }
    begin_run(vm, script, input, context, host);
    vm.waiting = LuaWaiting::kAllowed;
    vm.deadline_ns = host.monotonic_ns() + std::int64_t{vm.timeout_ms} * 1'000'000;
    if (const int code = prepare_data(vm); code != 0) {
        end_run(vm, code);
        return {};
    }
    open_thread(vm);
    const int arguments = push_call(vm, vm.thread, script);
    return go_on(vm, script, arguments, vm.timeout_ms);
}

void LuaVm::keep(std::uint64_t run, const EventInput& input, const InvocationContext& context,
                 LuaHost& host) {
    const auto at = state_->waiting_runs.find(run);
    MR_ASSERT(at != state_->waiting_runs.end());
    at->second->input = &input;
    at->second->context = &context;
    at->second->host = &host;
}

LuaTurn LuaVm::resume(std::uint64_t run, std::vector<courier::HttpAnswer>&& answers,
                      std::optional<OutsideAnswer>&& reply) {
    LuaVmState& vm = *state_;
    MR_ASSERT(vm.kill == kKillNone);
    const auto at = vm.waiting_runs.find(run);
    MR_ASSERT(at != vm.waiting_runs.end());
    std::swap(*at->second, static_cast<LuaRun&>(vm));
    if (vm.tree.is_small()) keep_room(vm.tree, at->second->tree);
    if (vm.effects.empty()) {
        std::swap(at->second->effects, vm.effects);
        vm.effects.reset();
    }
    vm.waiting_runs.erase(at);
    vm.script = &vm.own_script;
    vm.result_text.clear();
    vm.http_answers = std::move(answers);
    vm.reply = std::move(reply);
    lua_settop(vm.thread, 0);  // the mark, of one that waits in a coroutine of its own
    const std::int64_t left_ns = vm.deadline_ns - vm.host->monotonic_ns();
    if (left_ns <= 0) {
        close_thread(vm, vm, Thread::kDead);
        end_run(vm, 0);
        vm.error_text =
            "stopped after its deadline of " + std::to_string(vm.timeout_ms) + " ms, waiting";
        vm.result.status = InvocationStatus::kTimeout;
        vm.result.error = vm.error_text;
        vm.result.result_json = {};
        vm.result.emitted = {};
        vm.result.kv_ops = {};
        return {};
    }
    const auto budget_ms = static_cast<std::uint32_t>(left_ns / 1'000'000 + 1);
    LuaTurn turn = go_on(vm, vm.own_script, 0, std::min(budget_ms, vm.timeout_ms));
    turn.kv_changed = turn.ended && vm.result.completed() && kv_has_changed(vm);
    return turn;
}

void LuaVm::drop(std::uint64_t run) {
    const auto at = state_->waiting_runs.find(run);
    if (at == state_->waiting_runs.end()) return;
    close_thread(*state_, *at->second, Thread::kDead);
    release_data(*state_, *at->second);
    state_->waiting_runs.erase(at);
}

std::size_t LuaVm::waiting() const { return state_->waiting_runs.size(); }
const InvocationResult& LuaVm::result() const { return state_->result; }

}  // namespace millrace::runtime
