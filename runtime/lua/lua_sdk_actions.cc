// sdk.actions and sdk.db: something outside is asked for by its name, the run waits, and what came
// back is read when it goes on. The sandbox's Lua part makes sdk.sms.send{...} of it.
#include "runtime/lua/lua_vm_state.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kQueryBytesMax = 64u << 10;

void may_ask(LuaVmState& vm, lua_State* L, const char* call) {
    require_run(vm, L);
    require_permission(vm, L, Permission::kHttp, "http");
    vm.reply.reset();
    if (vm.waiting == LuaWaiting::kAtOnce)
        luaL_error(L, "%s: nothing is called from a run that is only looked at", call);
    if (vm.http_calls_made >= kLuaHttpCallsPerRunMax)
        luaL_error(L, "%s: more than %d calls in one run", call,
                   static_cast<int>(kLuaHttpCallsPerRunMax));
    ++vm.http_calls_made;
}

// The value at `index` is what it is asked with. An error that is raised in between leaves nothing
// behind: every text is assigned in place.
int ask(LuaVmState& vm, lua_State* L, int index, const char* otherwise) {
    vm.text.clear();
    if (lua_isnil(L, index))
        vm.text = otherwise;
    else
        encode_json(vm, L, index, {EncodeMode::kStrict, kLuaHttpBodyBytesMax, "the input"},
                    vm.text);
    vm.ask.input_json.assign(vm.text);
    if (vm.waiting == LuaWaiting::kAllowed) {
        const std::int64_t left_ms = (vm.deadline_ns - vm.host->monotonic_ns()) / 1'000'000;
        vm.ask.timeout_ms = left_ms < 1 ? 1 : left_ms;
    }
    return wait_for(vm, L, {LuaWait::Kind::kAction, 0});
}

}  // namespace

// action_ask(name, input)
int action_ask(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    may_ask(vm, L, "sdk.actions");
    lua_settop(L, 2);
    vm.ask.name.assign(check_string(L, 1));
    vm.ask.text.clear();
    return ask(vm, L, 2, "{}");
}

// query_ask(sql, params, {connection}): of a database.
int query_ask(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    may_ask(vm, L, "sdk.db.query");
    lua_settop(L, 3);
    const std::string_view sql = check_string(L, 1);
    if (sql.empty() || sql.size() > kQueryBytesMax)
        return luaL_error(L, "sdk.db.query: the SQL must have 1 to %d bytes",
                          static_cast<int>(kQueryBytesMax));
    vm.ask.text.assign(sql);
    vm.ask.name.assign("default");
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        check_options(L, 3, "sdk.db.query", {"connection"});
        lua_getfield(L, 3, "connection");
        if (!lua_isnil(L, -1)) vm.ask.name.assign(check_string(L, -1));
        lua_pop(L, 1);
    }
    return ask(vm, L, 2, "[]");
}

// What came back, decoded; or {code, message, status} raised.
int action_take(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    if (!vm.reply) return luaL_error(L, "sdk.actions: there was no answer");
    const OutsideAnswer& reply = *vm.reply;
    if (reply.code.empty()) {
        if (reply.json.empty())
            lua_pushnil(L);
        else
            decode_json(vm, L, reply.json);
        return 1;
    }
    lua_createtable(L, 0, 3);
    push_string(L, reply.code);
    lua_setfield(L, -2, "code");
    if (reply.status != 0) {
        lua_pushnumber(L, reply.status);
        lua_setfield(L, -2, "status");
    }
    push_string(L, reply.code);
    lua_pushliteral(L, ": ");
    push_string(L, reply.message);
    lua_concat(L, 3);
    lua_setfield(L, -2, "message");
    return lua_error(L);
}

}  // namespace millrace::runtime
