// Workflows as scripts: `wf`, and the way of their code through what has come so far. The code runs
// from its beginning in each turn (runtime/delivery/workflow_turn.h); branches are coroutines,
// which go on in the order in which what they wait for came. Outside of steps nothing can be
// reached that would answer differently the next time.
#include "runtime/delivery/workflow_turn.h"
#include "runtime/lua/lua_vm_state.h"
#include "runtime/lua/lua_workflow_code.h"

#include <cstdio>
#include <string>

namespace millrace::runtime {
namespace {

WorkflowTurn& wf_turn_of(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    if (!vm.workflow) luaL_error(L, "wf: there is no run to do this in");
    return *vm.workflow;
}

void wf_differs(WorkflowTurn& turn, std::size_t at, std::string_view expected,
                std::string_view found) {
    turn.end = WorkflowTurn::End::kDiffers;
    turn.differs_at = at;
    turn.expected = expected;
    turn.found = found;
}

// The value at `index` into vm.text; nil is null.
void wf_encode_value(LuaVmState& vm, lua_State* L, int index, const char* what) {
    vm.text.clear();
    if (lua_isnoneornil(L, index))
        vm.text = "null";
    else
        encode_json(vm, L, index, {EncodeMode::kStrict, kLuaResultBytesMax, what}, vm.text);
}

// need(call, hint)
int wf_need(lua_State* L) {
    require_step(vm_of(L), L, luaL_checkstring(L, 1), luaL_optstring(L, 2, ""));
    return 0;
}

int wf_in_step(lua_State* L) {
    lua_pushboolean(L, wf_turn_of(L).in_step);
    return 1;
}

// ask(index, what, spec): true when the turn ends with it.
int wf_ask(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    WorkflowTurn& turn = wf_turn_of(L);
    const auto index = static_cast<std::size_t>(luaL_checknumber(L, 1));
    const std::string_view what = check_string(L, 2);
    if (index < turn.past->asks()) {
        vm.text.clear();
        turn.past->tell(index, vm.text);
        if (vm.text == what) return 0;
        wf_differs(turn, index, vm.text, what);
    } else if (turn.settled) {
        wf_differs(turn, index, "nothing more at this place", what);
    } else if (turn.task != WorkflowTurn::Task::kGoOn) {
        return 0;  // the run has ended before it could ask for that
    } else if (turn.asked.size() >= kWorkflowAskedPerTurnMax) {
        turn.end = WorkflowTurn::End::kOverBounds;
        turn.message = "the code asks for more than " + std::to_string(kWorkflowAskedPerTurnMax) +
                       " steps at once";
    } else {
        wf_encode_value(vm, L, 3, "a step");
        turn.asked.emplace_back(vm.text);
        return 0;
    }
    lua_pushboolean(L, 1);
    return 1;
}

// What came next: its ask, true and the value, or false, code and message.
int wf_come(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    WorkflowTurn& turn = wf_turn_of(L);
    if (turn.next_ended == turn.past->ended()) return 0;
    const WorkflowPast::Ended ended = turn.past->ended(turn.next_ended++);
    turn.now_us = ended.at_us;
    turn.settled = ended.settled;
    lua_pushnumber(L, ended.ask);
    lua_pushboolean(L, ended.ok);
    if (!ended.ok) {
        push_string(L, ended.code);
        push_string(L, ended.message);
        return 4;
    }
    if (ended.value.empty() || ended.value == "null")
        lua_pushnil(L);
    else
        decode_json(vm, L, ended.value);
    return 3;
}

// falls_short(asks, ended): true when the code asks for less than is written down.
int wf_falls_short(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    WorkflowTurn& turn = wf_turn_of(L);
    const auto asks = static_cast<std::size_t>(luaL_checknumber(L, 1));
    const bool ended = lua_toboolean(L, 2);
    const bool unmet = turn.task == WorkflowTurn::Task::kStep;
    if (asks >= turn.past->asks() && !unmet) return 0;
    vm.text.clear();
    if (asks < turn.past->asks())
        turn.past->tell(asks, vm.text);
    else
        vm.text.append("step \"").append(turn.step).append("\"");
    wf_differs(turn, asks, vm.text, ended ? "the end of the code" : "nothing that is new");
    lua_pushboolean(L, 1);
    return 1;
}

int wf_has_no_undo(lua_State* L) {
    WorkflowTurn& turn = wf_turn_of(L);
    LuaVmState& vm = vm_of(L);
    vm.text.assign("compensation of step \"").append(check_string(L, 1)).append("\"");
    wf_differs(turn, turn.past->asks(), vm.text, "none");
    return 0;
}

// ---- steps

int wf_is_at(lua_State* L) {
    const WorkflowTurn& turn = wf_turn_of(L);
    lua_pushboolean(
        L, turn.task == WorkflowTurn::Task::kStep && check_string(L, 1) == turn.step ? 1 : 0);
    return 1;
}

int wf_step_begins(lua_State* L) {
    wf_turn_of(L).in_step = true;
    return 0;
}

// {attempt, key}; of a compensation with input and output beside them.
int wf_step_info(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const WorkflowTurn& turn = wf_turn_of(L);
    if (turn.task == WorkflowTurn::Task::kUndo && !turn.undo_input.empty())
        decode_json(vm, L, turn.undo_input);
    else
        lua_newtable(L);
    lua_pushnumber(L, turn.attempt);
    lua_setfield(L, -2, "attempt");
    push_string(L, turn.key);
    lua_setfield(L, -2, "key");
    return 1;
}

int wf_step_done(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    WorkflowTurn& turn = wf_turn_of(L);
    wf_encode_value(vm, L, 1, "what a step returns");
    turn.in_step = false;
    turn.end = WorkflowTurn::End::kStepDone;
    turn.value.assign(vm.text);
    return 0;
}

// Arguments: message, code, fatal.
void wf_keep_error(lua_State* L, WorkflowTurn& turn, WorkflowTurn::End end) {
    turn.in_step = false;
    turn.end = end;
    turn.message.assign(check_string(L, 1).substr(0, kLuaErrorBytesMax));
    turn.code.assign(lua_isnoneornil(L, 2) ? std::string_view() : check_string(L, 2).substr(0, 64));
    turn.fatal = lua_toboolean(L, 3) != 0;
}

int wf_step_failed(lua_State* L) {
    wf_keep_error(L, wf_turn_of(L), WorkflowTurn::End::kStepFailed);
    return 0;
}

// The id of the step that is to be made up for, or nil.
int wf_undone(lua_State* L) {
    const WorkflowTurn& turn = wf_turn_of(L);
    if (turn.task != WorkflowTurn::Task::kUndo) return 0;
    push_string(L, turn.step);
    return 1;
}

int wf_leave(lua_State* L) {
    wf_turn_of(L).left.push_back(static_cast<std::uint32_t>(luaL_checknumber(L, 1)));
    return 0;
}

// ---- the end of a turn

int wf_waits(lua_State* L) {
    wf_turn_of(L).end = WorkflowTurn::End::kWaits;
    return 0;
}

int wf_returned(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    WorkflowTurn& turn = wf_turn_of(L);
    wf_encode_value(vm, L, 1, "what the workflow returns");
    turn.end = WorkflowTurn::End::kReturned;
    turn.value.assign(vm.text);
    return 0;
}

int wf_raised(lua_State* L) {
    wf_keep_error(L, wf_turn_of(L), WorkflowTurn::End::kRaised);
    return 0;
}

int wf_continues(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    WorkflowTurn& turn = wf_turn_of(L);
    wf_encode_value(vm, L, 1, "the input");
    turn.end = WorkflowTurn::End::kContinues;
    turn.value.assign(vm.text == "[]" ? "{}" : vm.text);
    return 0;
}

// ---- the same each time

int wf_now(lua_State* L) {
    lua_pushnumber(L, static_cast<double>(wf_turn_of(L).now_us) / 1e6);
    return 1;
}

// SplitMix64 over the run's own seed.
std::uint64_t wf_draw(WorkflowTurn& turn) {
    std::uint64_t z = turn.seed + ++turn.drawn * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

int wf_random(lua_State* L) {
    lua_pushnumber(L, static_cast<double>(wf_draw(wf_turn_of(L)) >> 11) * 0x1.0p-53);
    return 1;
}

int wf_uuid(lua_State* L) {
    WorkflowTurn& turn = wf_turn_of(L);
    const std::uint64_t high = (wf_draw(turn) & ~0xF000ULL) | 0x4000ULL;
    const std::uint64_t low = (wf_draw(turn) & ~(3ULL << 62)) | (1ULL << 63);
    char text[40];
    const int bytes = std::snprintf(
        text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
        static_cast<unsigned>(high >> 16 & 0xFFFF), static_cast<unsigned>(high & 0xFFFF),
        static_cast<unsigned>(low >> 48), static_cast<unsigned long long>(low & 0xFFFFFFFFFFFFULL));
    lua_pushlstring(L, text, static_cast<std::size_t>(bytes));
    return 1;
}

int wf_input(lua_State* L) {
    const WorkflowTurn& turn = wf_turn_of(L);
    if (turn.input.empty() || turn.input == "null")
        lua_pushnil(L);
    else
        decode_json(vm_of(L), L, turn.input);
    return 1;
}

int wf_run_id(lua_State* L) {
    push_string(L, wf_turn_of(L).run_id);
    return 1;
}

// Any value as a text for people.
int wf_text(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    vm.text.clear();
    encode_json(vm, L, 1, {EncodeMode::kLenient, kLuaErrorBytesMax, "the error"}, vm.text);
    push_string(L, vm.text);
    return 1;
}

}  // namespace

// Protected; once a state, when it first runs a workflow.
int open_workflow(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    if (luaL_loadbuffer(L, kWorkflowCode, sizeof kWorkflowCode - 1, "=sdk") != 0)
        return lua_error(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.workflow_parts);
    lua_newtable(L);
    const LuaFunction natives[] = {{"need", wf_need},
                                   {"in_step", wf_in_step},
                                   {"ask", wf_ask},
                                   {"come", wf_come},
                                   {"falls_short", wf_falls_short},
                                   {"has_no_undo", wf_has_no_undo},
                                   {"is_at", wf_is_at},
                                   {"step_begins", wf_step_begins},
                                   {"step_info", wf_step_info},
                                   {"step_done", wf_step_done},
                                   {"step_failed", wf_step_failed},
                                   {"undone", wf_undone},
                                   {"leave", wf_leave},
                                   {"waits", wf_waits},
                                   {"returned", wf_returned},
                                   {"raised", wf_raised},
                                   {"continues", wf_continues},
                                   {"now", wf_now},
                                   {"random", wf_random},
                                   {"uuid", wf_uuid},
                                   {"input", wf_input},
                                   {"run_id", wf_run_id},
                                   {"text", wf_text}};
    set_functions(vm, L, natives);
    lua_call(L, 2, 1);
    vm.workflow_drive = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int push_workflow(LuaVmState& vm, lua_State* L, const LuaScript& script) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.workflow_drive);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script.chunk);
    push_event(vm, L);
    return 2;
}

void require_step(LuaVmState& vm, lua_State* L, const char* call, const char* hint) {
    if (!vm.workflow || vm.workflow->in_step) return;
    const char* const at = push_author_line(L);
    lua_pushfstring(L,
                    "%s%s is not deterministic: outside of wf.step it would answer "
                    "differently when the run is played again; call it inside "
                    "wf.step(name, function() ... end)%s",
                    at, call, hint);
    lua_error(L);
}

bool is_played_again(const LuaVmState& vm) {
    return vm.workflow && !vm.workflow->in_step &&
           (vm.workflow->settled || vm.workflow->task != WorkflowTurn::Task::kGoOn);
}

}  // namespace millrace::runtime
