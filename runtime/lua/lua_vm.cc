#include "runtime/lua/lua_vm.h"

#include "core/assert.h"
#include "core/json_writer.h"
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace millrace::runtime {
namespace {

// LuaJIT without 5.2's "mode" argument of load: a chunk that begins with ESC is bytecode.
constexpr char kBytecodeMark = '\x1b';
constexpr int kTracebackIndex = 1;  // of the message handler, at the bottom of the stack for good
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

// Keeps the lines that name the script; what is inside the SDK or C helps nobody.
void append_traceback(std::string_view traceback, std::string& out) {
    while (!traceback.empty()) {
        const std::size_t line_end = std::min(traceback.find('\n'), traceback.size());
        const std::string_view line = traceback.substr(0, line_end);
        traceback.remove_prefix(std::min(line_end + 1, traceback.size()));
        const bool useful = line.starts_with('\t') && line.find("[C]") == std::string_view::npos &&
                            !line.starts_with("\tsdk:") && line != "\t...";
        if (!useful) continue;
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

// The message handler: at the place of the error, before the stack unwinds.
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

// Encodes the handler's return value: index 1. Protected.
int encode_result(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    encode_json(vm, L, 1, {EncodeMode::kStrict, kLuaResultBytesMax, "the result"}, vm.result_text);
    return 0;
}

// Scalars that need no protection and no encoder.
bool encode_plain_result(lua_State* L, std::string& out) {
    if (lua_type(L, -1) != LUA_TBOOLEAN) return false;
    out += lua_toboolean(L, -1) ? "true" : "false";
    return true;
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

InvocationStatus status_of(LuaVerdict verdict) {
    switch (verdict) {
        case LuaVerdict::kSilent: return InvocationStatus::kSilent;
        case LuaVerdict::kFatal: return InvocationStatus::kFatal;
        default: return InvocationStatus::kFailed;
    }
}

void begin_run(LuaVmState& vm, const LuaScript& script, const EventInput& input,
               const InvocationContext& context, LuaHost& host) {
    vm.script = &script;
    vm.input = &input;
    vm.context = &context;
    vm.host = &host;
    ++vm.generation;
    vm.views_used = 0;
    vm.verdict = LuaVerdict::kNone;
    vm.started_at_us = context.started_at_us;
    vm.timeout_ms = context.timeout_ms != 0 ? context.timeout_ms : script.timeout_ms;
    vm.root_is_event = input.kind == EventInput::Kind::kEvent;
    vm.payload_node = JsonTree::kNone;
    vm.tree.reset();
    const char* end = input.text.data() + input.text.size();
    vm.tree.add_node(json_scan::skip_space(input.text.data(), end), end);
    vm.effects.reset();
    vm.result_text.clear();
    vm.error_text.clear();
}

// Pushes what is called: the handler, or the chunk while nobody knows whether it returns one.
void push_call(LuaVmState& vm, const LuaScript& script, int parameters) {
    lua_State* L = vm.L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script.handler != LUA_NOREF ? script.handler : script.chunk);
    if (parameters >= 1) push_event(vm, L);
    if (parameters >= 2) lua_rawgeti(L, LUA_REGISTRYINDEX, vm.context_object);
}

int run_once(LuaVmState& vm, const LuaScript& script, int parameters) {
    push_call(vm, script, parameters);
    return lua_pcall(vm.L, std::min(parameters, 2), 1, kTracebackIndex);
}

// The chunk's first run returned a function: that is the handler from now on. Answers whether to
// go on with it.
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

// Between enter and leave of the watchdog, with the memory cap on. Returns lua_pcall's code.
int run_guarded(LuaVmState& vm, LuaScript& script) {
    lua_State* L = vm.L;
    int code = run_once(vm, script, script.handler != LUA_NOREF ? script.parameters : 2);
    if (code != 0) return code;
    if (adopt_handler(vm, script)) {
        code = run_once(vm, script, script.parameters);
        if (code != 0) return code;
    }
    if (lua_isnil(L, -1) || encode_plain_result(L, vm.result_text)) return 0;
    lua_pushlightuserdata(L, &vm);
    lua_pushcclosure(L, encode_result, 1);
    lua_insert(L, -2);
    return lua_pcall(L, 1, 0, kTracebackIndex);
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
        vm.text = "over its memory cap of " + std::to_string(vm.memory_bytes_max) + " bytes";
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
        return;
    }
    result.result_json = vm.result_text;
    result.emitted = vm.effects.emitted;
    result.kv_ops = vm.effects.kv_ops;
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

const InvocationResult& LuaVm::invoke(ScriptHandle handle, const EventInput& input,
                                      const InvocationContext& context, LuaHost& host) {
    LuaVmState& vm = *state_;
    MR_ASSERT(handle.index < vm.scripts.size() && vm.scripts[handle.index].alive);
    MR_ASSERT(vm.kill == kKillNone);
    LuaScript& script = vm.scripts[handle.index];
    begin_run(vm, script, input, context, host);
    vm.allocator.enforce(true);
    if (vm.slot) vm.slot->enter(vm.L, &vm.kill, vm.timeout_ms);
    const int code = run_guarded(vm, script);
    if (vm.slot) vm.slot->leave();
    vm.allocator.enforce(false);
    lua_settop(vm.L, kTracebackIndex);
    end_run(vm, code);
    vm.context = nullptr;
    vm.script = nullptr;
    return vm.result;
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
