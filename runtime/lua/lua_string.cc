// The string functions with patterns, over the bounded matcher. They behave like Lua 5.1's.
#include "runtime/lua/lua_pattern.h"
#include "runtime/lua/lua_vm_state.h"

#include <cstring>

namespace millrace::runtime {
namespace {

LuaPattern make_pattern(lua_State* L, std::string_view subject, std::string_view pattern) {
    return LuaPattern(subject, pattern, kLuaPatternStepsMax, &vm_of(L).kill);
}

void check_error(lua_State* L, const LuaPattern& pattern) {
    if (pattern.error()) luaL_error(L, "%s", pattern.error());
}

void push_capture(lua_State* L, const LuaPattern& pattern, int index, const char* begin,
                  const char* end) {
    if (index >= pattern.captures()) {
        if (index != 0) luaL_error(L, "invalid capture index");
        lua_pushlstring(L, begin, static_cast<std::size_t>(end - begin));
        return;
    }
    const LuaPattern::Capture& capture = pattern.capture(index);
    if (capture.bytes == LuaPattern::Capture::kPosition) {
        lua_pushnumber(L, static_cast<double>(capture.begin - pattern.subject_begin() + 1));
    } else {
        lua_pushlstring(L, capture.begin, static_cast<std::size_t>(capture.bytes));
    }
}

int push_captures(lua_State* L, const LuaPattern& pattern, const char* begin, const char* end) {
    const int count = pattern.captures() == 0 && begin ? 1 : pattern.captures();
    luaL_checkstack(L, count, "too many captures");
    for (int i = 0; i < count; ++i) push_capture(L, pattern, i, begin, end);
    return count;
}

bool has_specials(std::string_view pattern) {
    return pattern.find_first_of("^$*+?.([%-") != std::string_view::npos;
}

// The third argument of find and match, as an offset from 0.
std::size_t start_offset(lua_State* L, std::size_t bytes) {
    const double asked = luaL_optnumber(L, 3, 1);
    if (asked > static_cast<double>(bytes) + 1) return bytes + 1;
    double from = asked < 0 ? asked + static_cast<double>(bytes) + 1 : asked;
    if (!(from >= 1)) from = 1;
    return static_cast<std::size_t>(from) - 1;
}

int find_or_match(lua_State* L, bool find) {
    const std::string_view subject = check_string(L, 1);
    const std::string_view text = check_string(L, 2);
    std::size_t start = start_offset(L, subject.size());
    if (start > subject.size()) {
        // 5.1 searches the empty rest from the end.
        start = subject.size();
    }
    if (find && (lua_toboolean(L, 4) || !has_specials(text))) {
        // In a time that grows with the sum of both, not with their product: nothing stops it in
        // the middle, and string_view::find compares anew at every place.
        const char* const from = subject.data() + start;
        const void* const found = memmem(from, subject.size() - start, text.data(), text.size());
        if (!found) {
            lua_pushnil(L);
            return 1;
        }
        const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - subject.data());
        lua_pushnumber(L, static_cast<double>(at + 1));
        lua_pushnumber(L, static_cast<double>(at + text.size()));
        return 2;
    }
    LuaPattern pattern = make_pattern(L, subject, text);
    const char* p = pattern.pattern_begin();
    const bool anchored = !text.empty() && *p == '^';
    if (anchored) ++p;
    const char* s = subject.data() + start;
    do {
        const char* end = pattern.match(s, p);
        check_error(L, pattern);
        if (end) {
            if (!find) return push_captures(L, pattern, s, end);
            lua_pushnumber(L, static_cast<double>(s - subject.data() + 1));
            lua_pushnumber(L, static_cast<double>(end - subject.data()));
            return push_captures(L, pattern, nullptr, nullptr) + 2;
        }
    } while (s++ < subject.data() + subject.size() && !anchored);
    lua_pushnil(L);
    return 1;
}

int string_find(lua_State* L) { return find_or_match(L, true); }
int string_match(lua_State* L) { return find_or_match(L, false); }

// Upvalues: VM, subject, pattern, offset of the next search.
int gmatch_step(lua_State* L) {
    const std::string_view subject = string_at(L, lua_upvalueindex(2));
    LuaPattern pattern = make_pattern(L, subject, string_at(L, lua_upvalueindex(3)));
    const auto from = static_cast<std::size_t>(lua_tonumber(L, lua_upvalueindex(4)));
    if (from > subject.size()) return 0;
    const char* const last = subject.data() + subject.size();
    for (const char* s = subject.data() + from; s <= last; ++s) {
        const char* end = pattern.match(s, pattern.pattern_begin());
        check_error(L, pattern);
        if (!end) continue;
        // After an empty match the search goes on one further.
        const auto next = static_cast<std::size_t>(end - subject.data()) + (end == s ? 1 : 0);
        lua_pushnumber(L, static_cast<double>(next));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(L, pattern, s, end);
    }
    return 0;
}

int string_gmatch(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    check_string(L, 1);
    check_string(L, 2);
    lua_pushlightuserdata(L, &vm);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushnumber(L, 0);
    lua_pushcclosure(L, gmatch_step, 4);
    return 1;
}

void add_template(lua_State* L, luaL_Buffer* out, const LuaPattern& pattern, const char* begin,
                  const char* end) {
    const std::string_view news = string_at(L, 3);
    for (std::size_t i = 0; i < news.size(); ++i) {
        if (news[i] != '%') {
            luaL_addchar(out, news[i]);
            continue;
        }
        ++i;
        if (i >= news.size() || news[i] < '0' || news[i] > '9') {
            luaL_addchar(out, i < news.size() ? news[i] : '%');
        } else if (news[i] == '0') {
            luaL_addlstring(out, begin, static_cast<std::size_t>(end - begin));
        } else {
            push_capture(L, pattern, news[i] - '1', begin, end);
            if (lua_type(L, -1) == LUA_TNUMBER) lua_tostring(L, -1);
            luaL_addvalue(out);
        }
    }
}

void add_replacement(lua_State* L, luaL_Buffer* out, const LuaPattern& pattern, const char* begin,
                     const char* end) {
    switch (lua_type(L, 3)) {
        case LUA_TTABLE:
            push_capture(L, pattern, 0, begin, end);
            lua_gettable(L, 3);
            break;
        case LUA_TFUNCTION: {
            lua_pushvalue(L, 3);
            const int count = push_captures(L, pattern, begin, end);
            lua_call(L, count, 1);
            break;
        }
        default: add_template(L, out, pattern, begin, end); return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, begin, static_cast<std::size_t>(end - begin));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(out);
}

int string_gsub(lua_State* L) {
    const std::string_view subject = check_string(L, 1);
    const std::string_view text = check_string(L, 2);
    const int kind = lua_type(L, 3);
    if (kind != LUA_TNUMBER && kind != LUA_TSTRING && kind != LUA_TFUNCTION && kind != LUA_TTABLE) {
        return luaL_error(L, "bad argument #3 to 'gsub' (string/function/table expected)");
    }
    if (kind == LUA_TFUNCTION || kind == LUA_TTABLE) require_stack(L);
    if (kind == LUA_TNUMBER) lua_tostring(L, 3);
    const double replacements_max = luaL_optnumber(L, 4, static_cast<double>(subject.size()) + 1);
    LuaPattern pattern = make_pattern(L, subject, text);
    const char* p = pattern.pattern_begin();
    const bool anchored = !text.empty() && *p == '^';
    if (anchored) ++p;
    const char* s = subject.data();
    const char* const last = s + subject.size();
    int count = 0;
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    while (count < replacements_max) {
        const char* end = pattern.match(s, p);
        check_error(L, pattern);
        if (end) {
            ++count;
            add_replacement(L, &out, pattern, s, end);
        }
        if (end && end > s) {
            s = end;
        } else if (s < last) {
            luaL_addchar(&out, *s);
            ++s;
        } else {
            break;
        }
        if (anchored) break;
    }
    luaL_addlstring(&out, s, static_cast<std::size_t>(last - s));
    luaL_pushresult(&out);
    lua_pushnumber(L, count);
    return 2;
}

}  // namespace

void open_string(LuaVmState& vm, lua_State* L) {
    const LuaFunction functions[] = {{"find", string_find},
                                     {"match", string_match},
                                     {"gmatch", string_gmatch},
                                     {"gsub", string_gsub}};
    set_functions(vm, L, functions);
}

}  // namespace millrace::runtime
