// What is told of a Lua error: its value as text and where it was, in the script's own terms.
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>

#include <pthread.h>

namespace millrace::runtime {
namespace {

// For what a C function, the host behind it and LuaJIT's compiler take at most.
constexpr std::size_t kStackLeftMin = 512u << 10;

// The address that a frame of this thread's may not be beneath; 0 when nobody tells.
std::uintptr_t lowest_frame() {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return 0;
    void* low = nullptr;
    std::size_t bytes = 0;
    const bool told = ::pthread_attr_getstack(&attributes, &low, &bytes) == 0;
    ::pthread_attr_destroy(&attributes);
    return told ? reinterpret_cast<std::uintptr_t>(low) + std::min(kStackLeftMin, bytes / 2) : 0;
}

// A line of the traceback as it is told: LuaJIT's own functions by name only, places in memory not
// at all. Empty: it helps nobody.
std::string_view told_line(std::string_view line, std::string& scratch) {
    static constexpr std::string_view kBuiltin = "\t[builtin#";
    if (!line.starts_with('\t') || line.starts_with("\tsdk:") || line == "\t..." ||
        line.find("[C]") != std::string_view::npos)
        return {};
    if (line.starts_with(kBuiltin)) {
        const std::size_t name = line.find(" in function '");
        if (name == std::string_view::npos) return {};
        scratch = "\t[builtin]:";
        scratch += line.substr(name);
        line = scratch;
    }
    const std::size_t address = line.find(" at 0x");
    return address == std::string_view::npos ? line : line.substr(0, address);
}

// Keeps the lines that name the script; what is inside the SDK or C helps nobody.
void append_traceback(std::string_view traceback, std::string& out) {
    std::string scratch;
    while (!traceback.empty()) {
        const std::size_t line_end = std::min(traceback.find('\n'), traceback.size());
        const std::string_view line = told_line(traceback.substr(0, line_end), scratch);
        traceback.remove_prefix(std::min(line_end + 1, traceback.size()));
        if (line.empty()) continue;
        if (out.size() + line.size() + 1 > kLuaErrorBytesMax) return;
        out += '\n';
        out += line;
    }
}

// The text of an error value, without running anything of the script's.
void append_error_value(LuaVmState& vm, lua_State* L, int index, std::string& out) {
    switch (lua_type(L, index)) {
        case LUA_TSTRING:
        case LUA_TNUMBER: out += string_at(L, index).substr(0, kLuaErrorBytesMax); return;
        case LUA_TTABLE: {
            lua_pushliteral(L, "message");
            lua_rawget(L, index < 0 ? index - 1 : index);
            if (lua_type(L, -1) == LUA_TSTRING) {
                out += string_at(L, -1).substr(0, kLuaErrorBytesMax);
                lua_pop(L, 1);
                return;
            }
            lua_pop(L, 1);
            encode_json(vm, L, index < 0 ? lua_gettop(L) + index + 1 : index,
                        {EncodeMode::kLenient, kLuaErrorBytesMax, "the error"}, out);
            return;
        }
        default: out += "error value of type "; out += luaL_typename(L, index);
    }
}

// Upvalue: the VM. Arguments: the error's value, the coroutine. Protected.
int tell_error(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    vm.error_text.clear();
    append_error_value(vm, L, 1, vm.error_text);
    luaL_traceback(L, lua_tothread(L, 2), nullptr, 0);
    append_traceback(string_at(L, -1), vm.error_text);
    return 0;
}

}  // namespace

int on_error(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    if (vm.verdict != LuaVerdict::kNone) return 1;  // ctx.fail has said it
    vm.error_text.clear();
    append_error_value(vm, L, 1, vm.error_text);
    luaL_traceback(L, L, nullptr, 1);
    append_traceback(string_at(L, -1), vm.error_text);
    lua_pop(L, 1);
    return 1;
}

void require_stack(lua_State* L) {
    thread_local const std::uintptr_t lowest = lowest_frame();
    if (reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) >= lowest) [[likely]]
        return;
    push_author_line(L);
    lua_pushliteral(L, "stack overflow: too many calls inside one another");
    lua_concat(L, 2);
    lua_error(L);
}

void tell_error_of(LuaVmState& vm, lua_State* thread) {
    if (vm.verdict != LuaVerdict::kNone) return;
    lua_State* L = vm.L;
    lua_pushlightuserdata(L, &vm);
    lua_pushcclosure(L, tell_error, 1);
    lua_xmove(thread, L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.thread_reference);
    if (lua_pcall(L, 2, 0, 0) != 0) lua_pop(L, 1);
}

}  // namespace millrace::runtime
