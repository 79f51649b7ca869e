// sdk.http.respond{status, headers, body}: what the caller of an endpoint gets. The last one counts;
// outside of an endpoint nobody asks for it.
#include "runtime/lua/lua_vm_state.h"

namespace millrace::runtime {
namespace {

int http_respond(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    luaL_checktype(L, 1, LUA_TTABLE);
    check_options(L, 1, "http.respond", {"status", "headers", "body"});
    vm.text.clear();
    encode_json(vm, L, 1, {EncodeMode::kStrict, kLuaJsonBytesMax, "http.respond: the answer"},
                vm.text);
    // A table without members reads as an empty list.
    const bool members = vm.text.front() == '{';
    vm.effects.response = keep_text(vm, L, members ? std::string_view(vm.text) : "{}");
    return 0;
}

}  // namespace

void add_sdk_respond(LuaVmState& vm, lua_State* L) {
    const LuaFunction functions[] = {{"respond", http_respond}};
    set_functions(vm, L, functions);
}

}  // namespace millrace::runtime
