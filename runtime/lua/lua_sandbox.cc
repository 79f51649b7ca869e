// What scripts find in their globals, and nothing else. The list below is an allow-list; a test
// walks
// _G against its own copy of it. Every script gets tables of its own, so there is nothing shared to
// freeze: string.format = nil hurts the script that does it alone.
#include "runtime/lua/lua_vm_state.h"

namespace millrace::runtime {
namespace {

// Runs once per state. `...` = the full libraries, natives, sdk. Returns make_environment, int64
// maker, int64 text, parameter count. Its locals are upvalues that no script can reach: there is
// no debug library.
//  - pairs and ipairs also take views. The original next is never handed out: a loop over it
//  becomes an
//    ITERN trace, and with hooks in compiled code this LuaJIT spins for ever in some of those (a
//    recursive walk over nested tables is enough; tests/runtime/lua/lua_sandbox_test.cc does one).
//  - xpcall runs its handler after unwinding: inside an error hooks are off, and a handler that
//    loops there could not be stopped.
//  - table.sort of long lists compares in Lua, where the deadline reaches it.
//  - what calls back from C (sort, format's __tostring, a coroutine that is resumed) looks at the
//  thread's own stack first: LuaJIT bounds Lua's alone.
constexpr char kBootstrap[] = R"lua(
local G, native, sdk = ...
local ffi, util = G.ffi, G.jit_util
local type, pcall, error, next = G.type, G.pcall, G.error, G.next
local raw_ipairs, raw_sort = G.ipairs, G.table.sort

local function table_next(t, k) return next(t, k) end
local function pairs(t)
    if type(t) == "table" then return table_next, t, nil end
    return native.pairs(t)
end
local function ipairs(t)
    if type(t) == "table" then return raw_ipairs(t) end
    return native.ipairs(t)
end

local function finish(handler, ok, ...)
    if ok then return true, ... end
    local _, answer = pcall(handler, (...))
    return false, answer
end
local function xpcall(f, handler, ...) return finish(handler, pcall(f, ...)) end

local function less(a, b) return a < b end
local check_stack = native.check_stack
local function sort(t, compare)
    check_stack()
    if compare == nil and #t > 4096 then compare = less end
    return raw_sort(t, compare)
end

local select, raw_format = G.select, G.string.format
function G.string.format(text, ...)
    for i = 1, select("#", ...) do
        if type((select(i, ...))) == "table" then
            check_stack()
            break
        end
    end
    return raw_format(text, ...)
end

local function pick(from, names)
    local to = {}
    for name in names:gmatch("%S+") do
        local value = from[name]
        if value == nil then error("sandbox: missing " .. name) end
        to[name] = value
    end
    return to
end

local template = pick(G, [[assert error getmetatable setmetatable pcall rawequal rawget rawset
    select tonumber tostring type unpack _VERSION]])
template.pairs, template.ipairs, template.next = pairs, ipairs, table_next
template.xpcall, template.print = xpcall, native.print
template.string = pick(G.string, [[byte char find format gmatch gsub len lower match rep reverse sub
    upper]])
template.table = pick(G.table, [[concat insert maxn remove]])
template.table.sort = sort
template.math = pick(G.math, [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge
    ldexp
    log log10 max min modf pi pow rad random sin sinh sqrt tan tanh]])
template.bit = pick(G.bit, [[arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex]])
template.coroutine = pick(G.coroutine, [[create running status yield]])

-- Who waits inside a coroutine of the script's own hands its mark on from coroutine to
-- coroutine: the run waits as a whole, and goes on where it was.
local mark = {}
local co_create, co_yield, raw_resume = G.coroutine.create, G.coroutine.yield, G.coroutine.resume
local function co_resume(co, ...)
    check_stack()
    return raw_resume(co, ...)
end
local rawequal = G.rawequal
local function hand_on(co, ok, ...)
    if ok and rawequal((...), mark) then
        co_yield(mark)
        return hand_on(co, co_resume(co))
    end
    return ok, ...
end
local function resume(co, ...) return hand_on(co, co_resume(co, ...)) end
local function unwrap(ok, ...)
    if ok then return ... end
    error((...), 0)
end
template.coroutine.resume = resume
template.coroutine.wrap = function(f)
    local co = co_create(f)
    return function(...) return unwrap(resume(co, ...)) end
end

local http_ask, http_take = native.http_ask, native.http_take
sdk.http = sdk.http or {}
for name in ("get post put patch delete"):gmatch("%S+") do
    local method = name:upper()
    sdk.http[name] = function(url, options)
        http_ask(method, url, options)
        return http_take()
    end
end
function sdk.http.request(url, options)
    if type(url) == "table" then
        native.http_ask_all({url})
    else
        http_ask("GET", url, options)
    end
    return http_take()
end
function sdk.http.all(requests)
    native.http_ask_all(requests)
    return native.http_take_all()
end

-- sdk.sms.send{...}: what the sdk has no member for is an action's name, word by word.
local setmetatable = G.setmetatable
local function call_action(name, input)
    native.action_ask(name, input)
    return native.action_take()
end
sdk.actions = {call = call_action}

-- Rows, in their order; a column's name asks the first one.
local rawget = G.rawget
local first_row = {__index = function(rows, name)
    local first = rawget(rows, 1)
    return first and first[name]
end, __metatable = false}
sdk.db = {query = function(sql, params, options)
    native.query_ask(sql, params, options)
    local found = native.action_take()
    if type(found) ~= "table" or found[1] == nil then return found end
    local rows = {}  -- what was decoded has the metatable of arrays, for good
    for i = 1, #found do rows[i] = found[i] end
    return setmetatable(rows, first_row)
end}
local function action_named(name)
    return setmetatable({}, {
        __index = function(_, word)
            if type(word) == "string" then return action_named(name .. "." .. word) end
        end,
        __call = function(_, input) return call_action(name, input) end,
        __newindex = function() error("an action can't be changed by a script", 2) end,
        __metatable = false,
    })
end
template.sdk = sdk

local function copy(from)
    local to = {}
    for name, value in pairs(from) do
        if type(value) == "table" then value = copy(value) end
        to[name] = value
    end
    return to
end
local function make_environment()
    local environment = copy(template)
    environment._G = environment
    setmetatable(environment.sdk, {__index = function(_, word)
        if type(word) == "string" then return action_named(word) end
    end, __metatable = false})
    return environment
end

local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")
local operators = native.raw_metatable(int64(0))
local add, mul, raw_text = operators.__add, operators.__mul, operators.__tostring
local function int64_make(high, low, is_signed)
    local value = add(mul(uint64(high), 4294967296ULL), uint64(low))
    if is_signed then return ffi.cast(int64, value) end
    return value
end
local istype, gsub, tonumber = ffi.istype, G.string.gsub, G.tonumber
local function int64_text(value)
    if istype(int64, value) or istype(uint64, value) then
        return (gsub(raw_text(value), "U?LL$", ""))
    end
end

-- The operators of 64-bit integers, for all scripts: see lua_number.cc. This is the metatable of
-- every cdata; scripts can't reach it, and those integers are the only ones they get.
local function kind_of(x)
    if type(x) == "number" then return 0 end
    if type(x) ~= "cdata" then return nil end
    if istype(int64, x) then return 1 end
    if istype(uint64, x) then return 2 end
end
local function set_operator(name, sign)
    local arithmetic = native.int64_arithmetic
    operators[name] = function(a, b)
        if type(a) == "string" then a = tonumber(a) or a end
        if type(b) == "string" then b = tonumber(b) or b end
        local ka, kb = kind_of(a), kind_of(b)
        if ka and kb then return arithmetic(sign, a, ka, b, kb) end
        error("attempt to perform arithmetic on a " .. type(ka and b or a) .. " value", 2)
    end
end
set_operator("__add", "+")
set_operator("__sub", "-")
set_operator("__mul", "*")
set_operator("__div", "/")
set_operator("__mod", "%")
set_operator("__pow", "^")
local subtract = operators.__sub
operators.__unm = function(a) return subtract(0, a) end
local int64_compare = native.int64_compare
local function compare(a, b)
    local ka, kb = kind_of(a), kind_of(b)
    if ka and kb then return int64_compare(a, ka, b, kb) end
    error("attempt to compare " .. type(a) .. " with " .. type(b), 3)
end
operators.__eq = function(a, b)
    local ka, kb = kind_of(a), kind_of(b)
    return ka ~= nil and kb ~= nil and int64_compare(a, ka, b, kb) == 0
end
operators.__lt = function(a, b) return compare(a, b) == -1 end
operators.__le = function(a, b)
    local order = compare(a, b)
    return order == -1 or order == 0
end
local function joined(x)
    if type(x) == "string" or type(x) == "number" then return x end
    local text = type(x) == "cdata" and int64_text(x)
    return text or error("attempt to concatenate a " .. type(x) .. " value", 3)
end
operators.__concat = function(a, b) return joined(a) .. joined(b) end
operators.__tostring = function(x) return int64_text(x) or raw_text(x) end
local function parameters(f)
    local info = util.funcinfo(f)
    if not info.params or info.isvararg then return 2 end
    return info.params
end
return make_environment, int64_make, int64_text, parameters, mark, {
    mark = mark, make_environment = make_environment, create = co_create, resume = co_resume,
    yield = co_yield, status = G.coroutine.status, setfenv = G.setfenv, sort = raw_sort,
    next = table_next, pairs = pairs, type = type, pcall = pcall, error = error,
    tostring = G.tostring, rawequal = rawequal, rawget = G.rawget, floor = G.math.floor,
    random = G.math.random}
)lua";

void open_library(lua_State* L, const char* name, lua_CFunction open) {
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

void seed_math_random(LuaVmState& vm, lua_State* L) {
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushnumber(L, static_cast<double>(vm.seed & 0xfffffffffffffULL));
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

// Arrays and objects with a hint carry a metatable that nobody can read or change.
void make_hints(LuaVmState& vm, lua_State* L) {
    const auto make = [&](int& reference, const void*& identity) {
        lua_newtable(L);
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        identity = lua_topointer(L, -1);
        reference = luaL_ref(L, LUA_REGISTRYINDEX);
    };
    make(vm.array_metatable, vm.array_metatable_id);
    make(vm.object_metatable, vm.object_metatable_id);
    // null prints as null; the metatable is that of all light userdata, of which this is the
    // only one.
    lua_pushlightuserdata(L, nullptr);
    lua_newtable(L);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, [](lua_State* state) {
        lua_pushliteral(state, "null");
        return 1;
    });
    lua_setfield(L, -2, "__tostring");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

// Methods of strings come from a table that no script holds.
void protect_strings(LuaVmState& vm, lua_State* L) {
    lua_getglobal(L, "string");
    open_string(vm, L);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 3);
}

// The globals the bootstrap picks from, with ffi and jit.util beside them. They stay in here.
void push_everything(lua_State* L) {
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    lua_pushcfunction(L, luaopen_ffi);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "ffi");
    lua_getfield(L, LUA_REGISTRYINDEX, "_PRELOAD");
    lua_getfield(L, -1, "jit.util");
    lua_call(L, 0, 1);
    lua_setfield(L, -3, "jit_util");
    lua_pop(L, 1);
}

int check_stack(lua_State* L) {
    require_stack(L);
    return 0;
}

// For the bootstrap alone: a cdata's own metatable, which getmetatable() does not show.
int raw_metatable(lua_State* L) { return lua_getmetatable(L, 1); }

void forget_everything(lua_State* L) {
    // The state's own globals: scripts have environments, but nothing should be left to find.
    lua_newtable(L);
    lua_replace(L, LUA_GLOBALSINDEX);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "_PRELOAD");
}

}  // namespace

void set_functions(LuaVmState& vm, lua_State* L, const LuaFunction* functions, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        lua_pushlightuserdata(L, &vm);
        lua_pushcclosure(L, functions[i].function, 1);
        lua_setfield(L, -2, functions[i].name);
    }
}

void check_options(lua_State* L, int index, const char* call,
                   std::initializer_list<std::string_view> names) {
    require_stack(L);  // what is read of the options next may be another function's answer
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        bool known = false;
        if (lua_type(L, -1) == LUA_TSTRING) {
            const std::string_view name = string_at(L, -1);
            for (const std::string_view one : names) known |= one == name;
        }
        if (known) continue;
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s: the options hold a key of type %s", call, luaL_typename(L, -1));
        luaL_error(L, "%s: there is no option '%s'", call, lua_tostring(L, -1));
    }
}

const char* push_author_line(lua_State* L) {
    lua_Debug at;
    for (int level = 0; lua_getstack(L, level, &at) != 0; ++level) {
        lua_getinfo(L, "Sl", &at);
        if (at.currentline > 0 && std::string_view(at.short_src) != "sdk")
            return lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
    }
    return lua_pushfstring(L, "");
}

std::string_view keep_text(LuaVmState& vm, lua_State* L, std::string_view text) {
    if (vm.effects.texts.bytes() + text.size() > kLuaKeptBytesPerRunMax) {
        luaL_error(L,
                   "the run leaves more than %d bytes behind, those of calls that failed included",
                   static_cast<int>(kLuaKeptBytesPerRunMax));
    }
    return vm.effects.texts.keep(text);
}

void require_permission(LuaVmState& vm, lua_State* L, Permission permission, const char* name) {
    if (!vm.allowed(permission))
        luaL_error(L, "permission '%s' is not granted to this script", name);
    if (!vm.workflow) [[likely]]
        return;
    switch (permission) {
        case Permission::kHttp: return require_step(vm, L, "sdk.http");
        case Permission::kKv: return require_step(vm, L, "sdk.kv");
        case Permission::kEmit: return require_step(vm, L, "sdk.events.emit");
        case Permission::kSecrets: return require_step(vm, L, "sdk.secrets.get");
    }
}

void require_run(LuaVmState& vm, lua_State* L) {
    if (!vm.context) luaL_error(L, "there is no run to do this in");
}

void push_sdk(LuaVmState& vm, lua_State* L) {
    lua_newtable(L);
    push_sdk_events(vm, L);
    lua_setfield(L, -2, "events");
    push_sdk_json(vm, L);
    lua_setfield(L, -2, "json");
    push_sdk_kv(vm, L, KvSpace::kKv);
    lua_setfield(L, -2, "kv");
    push_sdk_kv(vm, L, KvSpace::kCache);
    lua_setfield(L, -2, "cache");
    push_sdk_log(vm, L);
    lua_setfield(L, -2, "log");
    push_sdk_time(vm, L);
    lua_setfield(L, -2, "time");
    push_sdk_crypto(vm, L);
    lua_setfield(L, -2, "crypto");
    lua_newtable(L);
    add_sdk_respond(vm, L);  // the rest of it: kSandboxCode
    lua_setfield(L, -2, "http");
    lua_newtable(L);
    const LuaFunction secrets[] = {{"get", sdk_secret}};
    set_functions(vm, L, secrets);
    lua_setfield(L, -2, "secrets");
    const LuaFunction own[] = {{"sleep", sdk_sleep}};
    set_functions(vm, L, own);
}

int open_sandbox(lua_State* L) {
    LuaVmState& vm = *static_cast<LuaVmState*>(lua_touserdata(L, 1));
    open_library(L, "", luaopen_base);
    open_library(L, LUA_TABLIBNAME, luaopen_table);
    open_library(L, LUA_STRLIBNAME, luaopen_string);
    open_library(L, LUA_MATHLIBNAME, luaopen_math);
    open_library(L, LUA_BITLIBNAME, luaopen_bit);
    open_library(L, LUA_JITLIBNAME, luaopen_jit);
    seed_math_random(vm, L);
    open_views(vm, L);
    open_context(vm, L);
    make_hints(vm, L);
    protect_strings(vm, L);

    // Before the text is compiled: its 64-bit literal would make LuaJIT open ffi by itself, and a
    // second opening loses the type table of the first (3.5 KB a state, past lua_close).
    push_everything(L);
    if (luaL_loadbuffer(L, kBootstrap, sizeof kBootstrap - 1, "=sdk") != 0) return lua_error(L);
    lua_insert(L, -2);
    lua_newtable(L);
    const LuaFunction natives[] = {
        {"check_stack", check_stack},     {"pairs", view_pairs},
        {"ipairs", view_ipairs},          {"print", sdk_print},
        {"raw_metatable", raw_metatable}, {"action_ask", action_ask},
        {"action_take", action_take},     {"query_ask", query_ask},
        {"http_ask", http_ask},           {"http_ask_all", http_ask_all},
        {"http_take", http_take},         {"http_take_all", http_take_all}};
    set_functions(vm, L, natives);
    set_int64_natives(vm, L);
    push_sdk(vm, L);
    lua_call(L, 3, 6);
    vm.workflow_parts = luaL_ref(L, LUA_REGISTRYINDEX);
    vm.await_mark = luaL_ref(L, LUA_REGISTRYINDEX);
    vm.function_parameters = luaL_ref(L, LUA_REGISTRYINDEX);
    vm.int64_text = luaL_ref(L, LUA_REGISTRYINDEX);
    vm.int64_make = luaL_ref(L, LUA_REGISTRYINDEX);
    vm.make_environment = luaL_ref(L, LUA_REGISTRYINDEX);
    forget_everything(L);
    return 0;
}

}  // namespace millrace::runtime
