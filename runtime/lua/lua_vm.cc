#include "runtime/lua/lua_vm.h"

#include "core/assert.h"
#include "core/json_writer.h"
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

namespace millrace::runtime {
namespace {

// LuaJIT without 5.2's "mode" argument of load: a chunk that begins with ESC is bytecode.
constexpr char kBytecodeMark = '\x1b';
constexpr std::size_t kSourceNameBytesMax = 50;

int on_panic(lua_State* L) {
    const char* text = lua_tostring(L, -1);
    core::assert_failed(text ? text : "Lua error outside of a protected call", __FILE__, __LINE__);
}

void on_memory_refused(void* owner) {
    auto& vm = *static_cast<LuaVmState*>(owner);
    vm.kill = kKillMemory;
    // The script must not go on by catching the error.
    arm_kill_hook(vm.L);
}

std::string chunk_name(std::string_view name) {
    std::string text = "=";
    text += name.empty() ? std::string_view("script") : name.substr(0, kSourceNameBytesMax);
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

std::int64_t offset_of_line(std::string_view source, std::int64_t line) {
    std::size_t at = 0;
    for (std::int64_t i = 1; i < line && at < source.size(); ++i) {
        const std::size_t end = source.find('\n', at);
        if (end == std::string_view::npos) break;
        at = end + 1;
    }
    return static_cast<std::int64_t>(at);
}

// "name:12: unexpected symbol near 'x'" to "line 12: unexpected symbol near 'x'", with the
// position.
core::Error syntax_error(std::string_view source, std::string_view name, std::string_view text) {
    std::int64_t line = 0;
    if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == ':') {
        const char* begin = text.data() + name.size() + 1;
        const auto parsed = std::from_chars(begin, text.data() + text.size(), line);
        if (parsed.ec == std::errc{}) {
            text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
            if (text.starts_with(": ")) text.remove_prefix(2);
        }
    }
    std::string message = line > 0 ? "line " + std::to_string(line) + ": " : std::string();
    message += text;
    core::Error error(core::ErrorCode::kValidation, std::move(message));
    error.field = "source";
    if (line > 0) error.position = offset_of_line(source, line);
    return error;
}

core::Status check_source(std::string_view source) {
    if (source.size() > kLuaSourceBytesMax) {
        core::Error error(core::ErrorCode::kPayloadTooLarge,
                          "script: the source has " + std::to_string(source.size()) +
                              " bytes, the limit is " + std::to_string(kLuaSourceBytesMax));
        error.field = "source";
        error.limit = static_cast<std::int64_t>(kLuaSourceBytesMax);
        return core::fail(std::move(error));
    }
    if (!source.empty() && source.front() == kBytecodeMark) {
        core::Error error(core::ErrorCode::kValidation,
                          "line 1: bytecode is not accepted, only text");
        error.field = "source";
        error.position = 0;
        return core::fail(std::move(error));
    }
    return {};
}

// Leaves the chunk on the stack. Mode "t" beside the check above: two locks on one door.
core::Status load_source(lua_State* L, std::string_view source, std::string_view name) {
    if (auto checked = check_source(source); !checked) return checked;
    const std::string label = chunk_name(name);
    if (luaL_loadbufferx(L, source.data(), source.size(), label.c_str(), "t") == 0) return {};
    core::Error error = syntax_error(source, std::string_view(label).substr(1), string_at(L, -1));
    lua_pop(L, 1);
    return core::fail(std::move(error));
}

bool push_environment(LuaVmState& vm) {
    lua_State* L = vm.L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.make_environment);
    if (lua_pcall(L, 0, 1, 0) == 0) return true;
    lua_pop(L, 1);
    return false;
}

}  // namespace

core::Result<std::unique_ptr<LuaVm>> LuaVm::create(const Options& options) {
    if (options.memory_bytes_max < kLuaMemoryBytesMin) {
        return core::fail(core::ErrorCode::kValidation,
                          "lua: a memory cap below 1 MiB leaves no room for the SDK");
    }
    auto state = std::make_unique<LuaVmState>(options);
    LuaVmState& vm = *state;
    vm.L = lua_newstate(&LuaAllocator::allocate, &vm.allocator);
    if (!vm.L) return core::fail(core::ErrorCode::kInternal, "lua: a new state was refused");
    lua_atpanic(vm.L, on_panic);
    if (lua_cpcall(vm.L, open_sandbox, &vm) != 0) {
        return core::fail(core::ErrorCode::kInternal,
                          "lua: opening the sandbox failed: " + std::string(string_at(vm.L, -1)));
    }
    vm.allocator.on_refused(on_memory_refused, &vm);
#ifdef MILLRACE_LUAJIT_NO_CHECKHOOK
    luaJIT_setmode(vm.L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
#endif
    lua_settop(vm.L, 0);
    lua_pushlightuserdata(vm.L, &vm);
    lua_pushcclosure(vm.L, on_error, 1);
    return std::unique_ptr<LuaVm>(new LuaVm(std::move(state)));
}

LuaVm::LuaVm(std::unique_ptr<LuaVmState> state) : state_(std::move(state)) {}
LuaVm::~LuaVm() = default;

core::Result<ScriptHandle> LuaVm::compile(std::string_view source, std::string_view name,
                                          const ScriptOptions& options) {
    LuaVmState& vm = *state_;
    lua_State* L = vm.L;
    if (auto loaded = load_source(L, source, name); !loaded)
        return core::fail(std::move(loaded.error()));
    LuaScript script;
    if (!push_environment(vm)) {
        lua_pop(L, 1);
        return core::fail(core::ErrorCode::kInternal, "lua: no memory for the script's globals");
    }
    lua_setfenv(L, -2);
    script.chunk = luaL_ref(L, LUA_REGISTRYINDEX);
    script.permissions = options.permissions;
    script.timeout_ms = options.timeout_ms;
    script.alive = true;
    std::uint32_t index = 0;
    while (index < vm.scripts.size() && vm.scripts[index].alive) ++index;
    if (index == vm.scripts.size()) vm.scripts.emplace_back();
    vm.scripts[index] = script;
    return ScriptHandle{index};
}

void LuaVm::remove(ScriptHandle handle) {
    LuaVmState& vm = *state_;
    MR_ASSERT(handle.index < vm.scripts.size());
    LuaScript& script = vm.scripts[handle.index];
    luaL_unref(vm.L, LUA_REGISTRYINDEX, script.chunk);
    luaL_unref(vm.L, LUA_REGISTRYINDEX, script.handler);
    script = LuaScript{};
}

void LuaVm::swap_effects(AttemptEffects& effects) {
    AttemptEffects& own = state_->effects;
    if (own.empty() && effects.empty()) return;  // what both keep room for is as good as the other
    own.swap(effects);
}

bool LuaVm::poisoned() const { return state_->kill != kKillNone; }
std::size_t LuaVm::memory_bytes() const { return state_->allocator.bytes(); }

core::Status check_lua_syntax(std::string_view source, std::string_view name) {
    // A state of its own, without libraries: nothing runs in it.
    LuaAllocator allocator(kLuaMemoryBytesDefault);
    lua_State* L = lua_newstate(&LuaAllocator::allocate, &allocator);
    if (!L) return core::fail(core::ErrorCode::kInternal, "lua: a new state was refused");
    allocator.enforce(true);
    auto status = load_source(L, source, name);
    lua_close(L);
    return status;
}

std::string_view lua_build_warning() {
#ifdef MILLRACE_LUAJIT_NO_CHECKHOOK
    return "LuaJIT was built without LUAJIT_ENABLE_CHECKHOOK: the JIT is off for handlers, which "
           "run about 2 "
           "times slower; run tools/setup with access to Debian's source packages";
#else
    return {};
#endif
}

}  // namespace millrace::runtime
