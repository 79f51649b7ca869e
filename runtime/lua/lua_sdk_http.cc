// sdk.http: what is asked for is gathered in the run, the run waits, and what came back is read
// when it goes on. A C function can not do anything behind its own yield: the sandbox's Lua part
// calls http_ask, which waits, and then http_take or http_take_all.
#include "core/http_url.h"
#include "core/json_writer.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace millrace::runtime {
namespace {

constexpr std::string_view kMethods[] = {"GET",    "POST", "PUT",    "PATCH",
                                         "DELETE", "HEAD", "OPTIONS"};
constexpr std::string_view kOptions[] = {"method", "headers",   "body",
                                         "json",   "timeoutMs", "follow"};

bool is_option(std::string_view name) {
    return std::find(std::begin(kOptions), std::end(kOptions), name) != std::end(kOptions);
}

// Every field is filled in place, so that an error that is raised in between leaves nothing behind.
courier::HttpCall& add_call(LuaVmState& vm, lua_State* L) {
    if (vm.http_calls_made >= kLuaHttpCallsPerRunMax)
        luaL_error(L, "sdk.http: more than %d calls in one run",
                   static_cast<int>(kLuaHttpCallsPerRunMax));
    ++vm.http_calls_made;
    vm.http_calls.emplace_back();
    return vm.http_calls.back();
}

bool is_header_text(std::string_view text, bool name) {
    return std::all_of(text.begin(), text.end(), [name](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return name ? (byte > 0x20 && byte < 0x7f && c != ':') : (byte == '\t' || byte >= 0x20);
    });
}

void read_headers(lua_State* L, int index, courier::HttpCall& call) {
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "sdk.http: headers holds a key that is no text");
        if (!lua_isstring(L, -1))
            luaL_error(L, "sdk.http: header '%s' is no text", lua_tostring(L, -2));
        call.headers.emplace_back();
        call.headers.back().first.assign(string_at(L, -2));
        call.headers.back().second.assign(string_at(L, -1));
        if (!is_header_text(call.headers.back().first, true) || call.headers.back().first.empty() ||
            !is_header_text(call.headers.back().second, false))
            luaL_error(L, "sdk.http: header '%s' has bytes that no header may have",
                       lua_tostring(L, -2));
        if (courier::belongs_to_connection(string_at(L, -2)))
            luaL_error(L, "sdk.http: header '%s' belongs to the connection", lua_tostring(L, -2));
        lua_pop(L, 1);
    }
}

bool has_header(const courier::HttpCall& call, std::string_view name) {
    return std::any_of(call.headers.begin(), call.headers.end(), [name](const auto& header) {
        return header.first.size() == name.size() &&
               std::equal(name.begin(), name.end(), header.first.begin(), [](char a, char b) {
                   return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
               });
    });
}

void set_json_body(LuaVmState& vm, lua_State* L, int index, courier::HttpCall& call) {
    vm.text.clear();
    encode_json(vm, L, index, {EncodeMode::kStrict, kLuaHttpBodyBytesMax, "the body"}, vm.text);
    call.body.assign(vm.text);
    if (!has_header(call, "content-type")) {
        call.headers.emplace_back();
        call.headers.back().first.assign("content-type");
        call.headers.back().second.assign("application/json");
    }
}

void set_body(LuaVmState& vm, lua_State* L, int index, courier::HttpCall& call) {
    if (lua_type(L, index) != LUA_TSTRING) return set_json_body(vm, L, index, call);
    if (string_at(L, index).size() > kLuaHttpBodyBytesMax)
        luaL_error(L, "sdk.http: the body is larger than %d bytes",
                   static_cast<int>(kLuaHttpBodyBytesMax));
    call.body.assign(string_at(L, index));
}

// Whether a table says how to call, or what to send: what names no option is a body.
bool is_body(lua_State* L, int index) {
    bool options = false, others = false;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        const bool known = lua_type(L, -1) == LUA_TSTRING && is_option(string_at(L, -1));
        options |= known;
        others |= !known;
    }
    return others && !options;
}

void read_options(LuaVmState& vm, lua_State* L, int index, courier::HttpCall& call,
                  bool names_url) {
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        const bool known =
            lua_type(L, -1) == LUA_TSTRING &&
            (is_option(string_at(L, -1)) || (names_url && string_at(L, -1) == "url"));
        if (known || (names_url && lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == 1))
            continue;
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "sdk.http: the options hold a key of type %s", luaL_typename(L, -1));
        luaL_error(L, "sdk.http: there is no option '%s'", lua_tostring(L, -1));
    }
    lua_getfield(L, index, "method");
    if (!lua_isnil(L, -1)) call.method.assign(check_string(L, -1));
    lua_getfield(L, index, "headers");
    if (!lua_isnil(L, -1)) read_headers(L, lua_gettop(L), call);
    lua_getfield(L, index, "json");
    if (!lua_isnil(L, -1)) set_json_body(vm, L, lua_gettop(L), call);
    lua_getfield(L, index, "body");
    if (!lua_isnil(L, -1)) set_body(vm, L, lua_gettop(L), call);
    lua_getfield(L, index, "timeoutMs");
    if (!lua_isnil(L, -1)) {
        const double ms = luaL_checknumber(L, -1);
        if (!(ms >= 1 && ms <= 300'000))
            luaL_error(L, "sdk.http: timeoutMs must be from 1 to 300000");
        call.timeout_ms = static_cast<std::int64_t>(ms);
    }
    lua_getfield(L, index, "follow");
    if (!lua_isnil(L, -1)) {
        const double hops = luaL_checknumber(L, -1);
        if (!(hops >= 0 && hops <= 5)) luaL_error(L, "sdk.http: follow must be from 0 to 5");
        call.redirects_max = static_cast<std::uint32_t>(hops);
    }
    lua_pop(L, 6);
}

void check_call(lua_State* L, courier::HttpCall& call) {
    for (char& c : call.method) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (std::find(std::begin(kMethods), std::end(kMethods), call.method) == std::end(kMethods))
        luaL_error(L, "sdk.http: there is no method '%s'", call.method.c_str());
    if (call.url.find('\0') != std::string::npos)
        luaL_error(L, "sdk.http: the url has a zero byte");
}

// No call is longer than what is left of the run.
void bound_call(LuaVmState& vm, courier::HttpCall& call) {
    call.body_bytes_max = kLuaHttpBodyBytesMax;
    const std::int64_t left_ms = (vm.deadline_ns - vm.host->monotonic_ns()) / 1'000'000;
    call.timeout_ms = std::clamp<std::int64_t>(left_ms, 1, call.timeout_ms);
    call.connect_timeout_ms = std::min(call.connect_timeout_ms, call.timeout_ms);
}

int wait_for_calls(LuaVmState& vm, lua_State* L) {
    if (vm.waiting == LuaWaiting::kAllowed) {
        for (courier::HttpCall& call : vm.http_calls) bound_call(vm, call);
    }
    return wait_for(vm, L, {LuaWait::Kind::kHttp, 0});
}

void begin_asking(LuaVmState& vm, lua_State* L) {
    require_run(vm, L);
    require_permission(vm, L, Permission::kHttp, "http");
    vm.http_calls.clear();
    vm.http_answers.clear();
    if (vm.waiting == LuaWaiting::kAtOnce)
        luaL_error(L, "sdk.http: nothing is called from a run that is only looked at");
}

void set_text(lua_State* L, const char* name, std::string_view text) {
    push_string(L, text);
    lua_setfield(L, -2, name);
}

// {code, message, url}.
void push_fault(lua_State* L, const courier::HttpAnswer& answer) {
    lua_createtable(L, 0, 3);
    set_text(L, "code", courier::http_fault_text(answer.fault));
    set_text(L, "url", answer.url);
    push_string(L, courier::http_fault_text(answer.fault));
    lua_pushliteral(L, ": ");
    push_string(L, answer.message);
    lua_concat(L, 3);
    lua_setfield(L, -2, "message");
}

// response.json(): its body, decoded.
int response_json(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    std::size_t bytes = 0;
    const char* body = lua_tolstring(L, lua_upvalueindex(2), &bytes);
    decode_json(vm, L, {body, bytes});
    return 1;
}

void push_response(LuaVmState& vm, lua_State* L, const courier::HttpAnswer& answer) {
    lua_createtable(L, 0, 5);
    lua_pushnumber(L, answer.status);
    lua_setfield(L, -2, "status");
    set_text(L, "url", answer.url);
    push_string(L, answer.body);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "body");
    lua_pushlightuserdata(L, &vm);
    lua_insert(L, -2);
    lua_pushcclosure(L, response_json, 2);
    lua_setfield(L, -2, "json");
    lua_createtable(L, 0, static_cast<int>(answer.headers.size()));
    for (const auto& [name, value] : answer.headers) {
        push_string(L, name);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            push_string(L, value);
        } else {  // said twice
            lua_pushliteral(L, ", ");
            push_string(L, value);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "headers");
}

}  // namespace

// http_ask(method, url, options)
int http_ask(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    begin_asking(vm, L);
    lua_settop(L, 3);
    courier::HttpCall& call = add_call(vm, L);
    call.method.assign(check_string(L, 1));
    call.url.assign(check_string(L, 2));
    if (lua_type(L, 3) == LUA_TSTRING || to_view(vm, L, 3)) {
        set_body(vm, L, 3, call);
    } else if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        if (is_body(L, 3))
            set_json_body(vm, L, 3, call);
        else
            read_options(vm, L, 3, call, false);
    }
    check_call(L, call);
    return wait_for_calls(vm, L);
}

// http_ask_all({request, ...}); a request is a URL, or options with url.
int http_ask_all(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    begin_asking(vm, L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const auto count = static_cast<int>(lua_objlen(L, 1));
    if (count == 0) return luaL_error(L, "sdk.http.all: there is no request");
    for (int i = 1; i <= count; ++i) {
        lua_rawgeti(L, 1, i);
        courier::HttpCall& call = add_call(vm, L);
        if (lua_type(L, 2) == LUA_TSTRING) {
            call.url.assign(string_at(L, 2));
        } else {
            luaL_checktype(L, 2, LUA_TTABLE);
            lua_getfield(L, 2, "url");
            if (lua_isnil(L, 3)) lua_rawgeti(L, 2, 1);
            if (lua_type(L, -1) != LUA_TSTRING)
                return luaL_error(L, "sdk.http.all: request %d has no url", i);
            call.url.assign(string_at(L, -1));
            lua_settop(L, 2);
            read_options(vm, L, 2, call, true);
        }
        check_call(L, call);
        lua_settop(L, 1);
    }
    return wait_for_calls(vm, L);
}

// What came of http_ask(): the response, or its fault raised.
int http_take(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    if (vm.http_answers.size() != 1)
        return luaL_error(L, "sdk.http: this server offers scripts no outbound http");
    const courier::HttpAnswer& answer = vm.http_answers.front();
    if (answer.fault == courier::HttpFault::kNone) {
        push_response(vm, L, answer);
        return 1;
    }
    push_fault(L, answer);
    return lua_error(L);
}

// What came of http_ask_all(): responses in their order, {error = {code, ...}} for those that
// failed.
int http_take_all(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    const auto count = static_cast<int>(vm.http_answers.size());
    if (count == 0) return luaL_error(L, "sdk.http: this server offers scripts no outbound http");
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; ++i) {
        const courier::HttpAnswer& answer = vm.http_answers[static_cast<std::size_t>(i)];
        if (answer.fault == courier::HttpFault::kNone) {
            push_response(vm, L, answer);
        } else {
            lua_createtable(L, 0, 1);
            push_fault(L, answer);
            lua_setfield(L, -2, "error");
        }
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

}  // namespace millrace::runtime
