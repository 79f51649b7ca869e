// `ctx`, the second argument of a handler: one userdata per VM, since at any time the only code
// that
// can read it belongs to the run that is going on.
#include "core/json_writer.h"
#include "runtime/lua/lua_vm_state.h"

#include <cstring>

namespace millrace::runtime {
namespace {

constexpr std::size_t kLazyTextBytesMax = 128;
constexpr std::size_t kLuaAbortCodeBytesMax = 64;

void push_or_nil(lua_State* L, std::string_view text) {
    if (text.empty()) {
        lua_pushnil(L);
    } else {
        push_string(L, text);
    }
}

void push_event_name(LuaVmState& vm, lua_State* L) {
    if (!vm.context->event_name.empty()) {
        push_string(L, vm.context->event_name);
    } else {
        push_or_nil(L, envelope_text(vm, vm.input->pattern, "pattern"));
    }
}

void push_event_data(LuaVmState& vm, lua_State* L) {
    if (vm.data_reference != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm.data_reference);
        return;
    }
    push_json_once(vm, L, vm.context->event_data, vm.event_data_node);
}

// In the unit of sdk.time.now().
void push_deadline(LuaVmState& vm, lua_State* L) {
    if (vm.started_at_us == 0) vm.started_at_us = vm.host->wall_us();
    lua_pushnumber(L, static_cast<double>(vm.started_at_us) / 1e6 + vm.timeout_ms / 1e3);
}

void push_execution_id(const InvocationContext& context, lua_State* L) {
    if (!context.execution_id.empty() || !context.execution_id_lazy.write) {
        push_or_nil(L, context.execution_id);
        return;
    }
    char text[kLazyTextBytesMax];
    const std::size_t bytes =
        context.execution_id_lazy.write(context.execution_id_lazy.self, text, sizeof text);
    lua_pushlstring(L, text, bytes);
}

// Only what runs before a change can stop it.
void push_abort(LuaVmState& vm, lua_State* L) {
    if (vm.input->kind == EventInput::Kind::kDocument)
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm.context_abort);
    else
        lua_pushnil(L);
}

constexpr const char* kNames[] = {"attempt",     "subscriptionId", "scriptId",  "scriptVersion",
                                  "executionId", "tenantId",       "eventName", "requestUser",
                                  "apiKeyId",    "replay",         "deadline",  "fail",
                                  "eventData",   "authenticated",  "apiKey",    "abort"};

bool push_field(LuaVmState& vm, lua_State* L, std::string_view name) {
    const InvocationContext& context = *vm.context;
    if (name == "attempt")
        lua_pushnumber(L, context.attempt);
    else if (name == "fail")
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm.context_fail);
    else if (name == "abort")
        push_abort(vm, L);
    else if (name == "subscriptionId")
        push_or_nil(L, context.subscription_id);
    else if (name == "scriptId")
        push_or_nil(L, context.script_id);
    else if (name == "scriptVersion")
        lua_pushnumber(L, context.script_version);
    else if (name == "executionId")
        push_execution_id(context, L);
    else if (name == "tenantId")
        push_or_nil(L, context.tenant_id);
    else if (name == "eventName")
        push_event_name(vm, L);
    else if (name == "requestUser")
        push_json_once(vm, L, context.request_user, vm.request_user_node);
    else if (name == "eventData")
        push_event_data(vm, L);
    else if (name == "authenticated")
        lua_pushboolean(L, context.authenticated);
    else if (name == "apiKeyId" || name == "apiKey")
        push_or_nil(L, context.api_key_id);
    else if (name == "replay")
        push_json_once(vm, L, context.replay_json, vm.replay_node);
    else if (name == "deadline")
        push_deadline(vm, L);
    else
        return false;
    return true;
}

int context_index(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    if (lua_type(L, 2) != LUA_TSTRING || !push_field(vm, L, string_at(L, 2))) lua_pushnil(L);
    return 1;
}

int context_newindex(lua_State* L) { return luaL_error(L, "ctx is read-only"); }

// ctx.fail(kind, why): the verdict stands even if the error raised here is caught.
int context_fail(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const std::string_view kind = check_string(L, 1);
    const std::string_view why =
        lua_isnoneornil(L, 2) ? std::string_view("ctx.fail") : check_string(L, 2);
    if (kind == "fatal")
        vm.verdict = LuaVerdict::kFatal;
    else if (kind == "silent")
        vm.verdict = LuaVerdict::kSilent;
    else if (kind == "fail")
        vm.verdict = LuaVerdict::kFail;
    else
        return luaL_error(L, "ctx.fail: kind must be \"fail\", \"silent\" or \"fatal\"");
    vm.error_text.assign(why.substr(0, kLuaErrorBytesMax));
    push_string(L, why);
    return lua_error(L);
}

// ctx.abort(code, message, details): the change is not to be. Stands even if it is caught.
int context_abort(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    if (vm.input->kind != EventInput::Kind::kDocument)
        return luaL_error(L, "ctx.abort: only a hook before a change can stop it");
    const std::string_view code = check_string(L, 1);
    const std::string_view message =
        lua_isnoneornil(L, 2) ? std::string_view("a hook refuses this change") : check_string(L, 2);
    vm.text2 = "{\"code\":";
    core::append_json_string(vm.text2, code.substr(0, kLuaAbortCodeBytesMax));
    vm.text2 += ",\"message\":";
    core::append_json_string(vm.text2, message.substr(0, kLuaErrorBytesMax));
    if (!lua_isnoneornil(L, 3)) {
        vm.text.clear();
        encode_json(vm, L, 3, {EncodeMode::kStrict, kLuaResultBytesMax, "ctx.abort: details"},
                    vm.text);
        vm.text2.append(",\"details\":").append(vm.text == "[]" ? "{}" : vm.text);
    }
    vm.text2 += '}';
    vm.effects.abort_json = keep_text(vm, L, vm.text2);
    vm.verdict = LuaVerdict::kFail;
    vm.error_text.assign(message.substr(0, kLuaErrorBytesMax));
    push_string(L, message);
    return lua_error(L);
}

// Upvalues: VM, index of the next name.
int context_step(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    auto index = static_cast<std::size_t>(lua_tonumber(L, lua_upvalueindex(2)));
    for (; index < std::size(kNames); ++index) {
        push_string(L, kNames[index]);
        push_field(vm, L, kNames[index]);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 2);
            continue;
        }
        lua_pushnumber(L, static_cast<double>(index + 1));
        lua_replace(L, lua_upvalueindex(2));
        return 2;
    }
    return 0;
}

}  // namespace

bool is_context(LuaVmState& vm, lua_State* L, int index) {
    if (!lua_touserdata(L, index) || !lua_getmetatable(L, index)) return false;
    const bool ours = lua_topointer(L, -1) == vm.context_metatable_id;
    lua_pop(L, 1);
    return ours;
}

void push_context_pairs(LuaVmState& vm, lua_State* L) {
    lua_pushlightuserdata(L, &vm);
    lua_pushnumber(L, 0);
    lua_pushcclosure(L, context_step, 2);
}

void open_context(LuaVmState& vm, lua_State* L) {
    lua_pushlightuserdata(L, &vm);
    lua_pushcclosure(L, context_fail, 1);
    vm.context_fail = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, &vm);
    lua_pushcclosure(L, context_abort, 1);
    vm.context_abort = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newuserdata(L, 1);
    lua_newtable(L);
    const LuaFunction functions[] = {{"__index", context_index}, {"__newindex", context_newindex}};
    set_functions(vm, L, functions);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    vm.context_metatable_id = lua_topointer(L, -1);
    lua_setmetatable(L, -2);
    vm.context_object = luaL_ref(L, LUA_REGISTRYINDEX);
}

}  // namespace millrace::runtime
