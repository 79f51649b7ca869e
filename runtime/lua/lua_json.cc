// JSON to Lua and back. Numbers: integers up to 2^53 and fractions are Lua numbers; integers beyond
// that are 64-bit integers (int64 or uint64) and keep every digit. null is sdk.json.null, arrays
// carry
// a hint so that an empty one stays an array. Keys are written sorted: equal values, equal bytes.
#include "core/json_writer.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace millrace::runtime {
namespace {

constexpr int kTypeInt64 = 10;  // LuaJIT's type tag of a cdata, which only int64 helpers make here
constexpr std::int64_t kExactInteger = 9007199254740992;  // 2^53
constexpr double kExactIntegerMax = 9007199254740992.0;

struct Encoder {
    LuaVmState& vm;
    lua_State* L;
    const EncodeOptions& options;
    std::string& out;
    std::size_t begin;

    bool lenient() const { return options.mode == EncodeMode::kLenient; }
};

void encode_value(const Encoder& encoder, int index, int depth);

void check_size(const Encoder& encoder, std::size_t more) {
    if (encoder.out.size() - encoder.begin + more > encoder.options.bytes_max) {
        luaL_error(encoder.L, "%s is too large: more than %d bytes of JSON", encoder.options.what,
                   static_cast<int>(encoder.options.bytes_max));
    }
}

void encode_string(const Encoder& encoder, std::string_view text) {
    check_size(encoder, text.size() + 2);
    if (!encoder.lenient() && !simdjson::validate_utf8(text.data(), text.size())) {
        luaL_error(encoder.L, "%s holds a string that is not valid UTF-8; use sdk.crypto.base64",
                   encoder.options.what);
    }
    core::append_json_string(encoder.out, text);
}

void encode_array(const Encoder& encoder, int index, int depth, int count) {
    lua_State* L = encoder.L;
    encoder.out += '[';
    for (int i = 1; i <= count; ++i) {
        if (i > 1) encoder.out += ',';
        lua_rawgeti(L, index, i);
        encode_value(encoder, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    encoder.out += ']';
}

// The highest index when every key is a positive integer and the holes are few; -1 otherwise.
int array_length(lua_State* L, int index) {
    lua_pushnil(L);
    double highest = 0;
    int keys = 0;
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        const double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0.5;
        if (key < 1 || key != std::floor(key) || key > 1e8) {
            lua_pop(L, 1);
            return -1;
        }
        highest = std::max(highest, key);
        ++keys;
    }
    return highest <= 2.0 * keys + 8 ? static_cast<int>(highest) : -1;
}

// Puts the table's string keys on the key stack, sorted; answers false when it has others.
bool collect_keys(const Encoder& encoder, int index) {
    lua_State* L = encoder.L;
    auto& keys = encoder.vm.keys;
    const std::size_t from = keys.size();
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            lua_pop(L, 1);
            keys.resize(from);
            return false;
        }
        keys.push_back(string_at(L, -1));
    }
    std::sort(keys.begin() + static_cast<std::ptrdiff_t>(from), keys.end());
    return true;
}

void encode_sorted(const Encoder& encoder, int index, int depth, std::size_t from) {
    lua_State* L = encoder.L;
    auto& keys = encoder.vm.keys;
    const std::size_t end = keys.size();
    encoder.out += '{';
    for (std::size_t i = from; i < end; ++i) {
        const std::string_view key = keys[i];
        if (i > from) encoder.out += ',';
        encode_string(encoder, key);
        encoder.out += ':';
        push_string(L, key);
        lua_rawget(L, index);
        encode_value(encoder, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    keys.resize(from);
    encoder.out += '}';
}

// Keys that are not all strings: numbers are written as their text, in table order.
void encode_mixed(const Encoder& encoder, int index, int depth) {
    lua_State* L = encoder.L;
    encoder.out += '{';
    bool first = true;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (!first) encoder.out += ',';
        first = false;
        const int type = lua_type(L, -2);
        if (type == LUA_TNUMBER) {
            encoder.out += '"';
            append_lua_number(encoder.out, lua_tonumber(L, -2));
            encoder.out += '"';
        } else if (type == LUA_TSTRING) {
            encode_string(encoder, string_at(L, -2));
        } else if (encoder.lenient()) {
            encode_string(encoder, lua_typename(L, type));
        } else {
            luaL_error(L, "%s has a table key of type %s; JSON keys are strings",
                       encoder.options.what, lua_typename(L, type));
        }
        encoder.out += ':';
        encode_value(encoder, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    encoder.out += '}';
}

void encode_table(const Encoder& encoder, int index, int depth) {
    lua_State* L = encoder.L;
    const void* hint = nullptr;
    if (lua_getmetatable(L, index)) {
        hint = lua_topointer(L, -1);
        lua_pop(L, 1);
    }
    if (hint == encoder.vm.array_metatable_id) {
        const int known = array_length(L, index);
        const int border = static_cast<int>(lua_objlen(L, index));
        encode_array(encoder, index, depth, std::max(known, border));
        return;
    }
    const std::size_t from = encoder.vm.keys.size();
    if (collect_keys(encoder, index)) {
        encode_sorted(encoder, index, depth, from);
        return;
    }
    const int length = hint == encoder.vm.object_metatable_id ? -1 : array_length(L, index);
    if (length >= 0) {
        encode_array(encoder, index, depth, length);
    } else {
        encode_mixed(encoder, index, depth);
    }
}

void encode_int64(const Encoder& encoder, int index) {
    lua_State* L = encoder.L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, encoder.vm.int64_text);
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "%s holds a value JSON can't say", encoder.options.what);
    encoder.out += string_at(L, -1);
    lua_pop(L, 1);
}

void encode_number(const Encoder& encoder, double value) {
    if (!std::isfinite(value)) {
        if (!encoder.lenient()) {
            luaL_error(encoder.L, "%s holds a number JSON can't say: nan or inf",
                       encoder.options.what);
        }
        encoder.out += "null";
        return;
    }
    append_lua_number(encoder.out, value);
}

void encode_other(const Encoder& encoder, int index) {
    lua_State* L = encoder.L;
    const int type = lua_type(L, index);
    if (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == nullptr) {
        encoder.out += "null";
    } else if (type == kTypeInt64) {
        encode_int64(encoder, index);
    } else if (const LuaView* view = to_view(encoder.vm, L, index)) {
        append_view(encoder.vm, L, *view, encoder.out);
        check_size(encoder, 0);
    } else if (encoder.lenient()) {
        core::append_json_string(encoder.out, luaL_typename(L, index));
    } else {
        luaL_error(L, "%s holds a %s, which JSON can't say", encoder.options.what,
                   luaL_typename(L, index));
    }
}

// Recursion is bounded by kLuaJsonDepthMax, which also ends tables that hold themselves.
void encode_value(const Encoder& encoder, int index, int depth) {  // NOLINT(misc-no-recursion)
    lua_State* L = encoder.L;
    check_size(encoder, 1);
    switch (lua_type(L, index)) {
        case LUA_TNIL: encoder.out += "null"; return;
        case LUA_TBOOLEAN: encoder.out += lua_toboolean(L, index) ? "true" : "false"; return;
        case LUA_TNUMBER: encode_number(encoder, lua_tonumber(L, index)); return;
        case LUA_TSTRING: encode_string(encoder, string_at(L, index)); return;
        case LUA_TTABLE:
            if (depth >= kLuaJsonDepthMax) {
                if (!encoder.lenient()) {
                    luaL_error(L, "%s is nested deeper than %d, or holds itself",
                               encoder.options.what, kLuaJsonDepthMax);
                }
                encoder.out += "\"...\"";
                return;
            }
            luaL_checkstack(L, 8, "JSON nesting");
            encode_table(encoder, index, depth + 1);
            return;
        default: encode_other(encoder, index);
    }
}

void push_element(LuaVmState& vm, lua_State* L, simdjson::dom::element element);

void push_object(LuaVmState& vm, lua_State* L, simdjson::dom::object object) {
    lua_createtable(L, 0, static_cast<int>(object.size()));
    for (const auto field : object) {
        push_string(L, field.key);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (!lua_isnil(L, -1)) luaL_error(L, "json: duplicate key '%s'", lua_tostring(L, -2));
        lua_pop(L, 1);
        push_element(vm, L, field.value);
        lua_rawset(L, -3);
    }
}

void push_array(LuaVmState& vm, lua_State* L, simdjson::dom::array array) {
    lua_createtable(L, static_cast<int>(array.size()), 0);
    int i = 0;
    for (const auto element : array) {
        push_element(vm, L, element);
        lua_rawseti(L, -2, ++i);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.array_metatable);
    lua_setmetatable(L, -2);
}

// Recursion is bounded by the parser's depth.
void push_element(LuaVmState& vm, lua_State* L,
                  simdjson::dom::element element) {  // NOLINT(misc-no-recursion)
    luaL_checkstack(L, 8, "JSON nesting");
    switch (element.type()) {
        case simdjson::dom::element_type::OBJECT:
            push_object(vm, L, element.get_object().value_unsafe());
            return;
        case simdjson::dom::element_type::ARRAY:
            push_array(vm, L, element.get_array().value_unsafe());
            return;
        case simdjson::dom::element_type::STRING:
            push_string(L, element.get_string().value_unsafe());
            return;
        case simdjson::dom::element_type::INT64: {
            const std::int64_t value = element.get_int64().value_unsafe();
            if (value >= -kExactInteger && value <= kExactInteger) {
                lua_pushnumber(L, static_cast<double>(value));
            } else {
                push_int64(vm, L, static_cast<std::uint64_t>(value), true);
            }
            return;
        }
        case simdjson::dom::element_type::UINT64:
            push_int64(vm, L, element.get_uint64().value_unsafe(), false);
            return;
        case simdjson::dom::element_type::DOUBLE:
            lua_pushnumber(L, element.get_double().value_unsafe());
            return;
        case simdjson::dom::element_type::BOOL:
            lua_pushboolean(L, element.get_bool().value_unsafe());
            return;
        case simdjson::dom::element_type::NULL_VALUE: lua_pushlightuserdata(L, nullptr); return;
    }
}

// `sdk.json` ----------------------------------------------------------------------------------

int json_encode(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    luaL_checkany(L, 1);
    vm.text.clear();
    encode_json(vm, L, 1, {}, vm.text);
    push_string(L, vm.text);
    return 1;
}

int json_decode(lua_State* L) {
    decode_json(vm_of(L), L, check_string(L, 1));
    return 1;
}

int json_copy(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    luaL_checkany(L, 1);
    const int type = lua_type(L, 1);
    if (type != LUA_TTABLE && !to_view(vm, L, 1)) {
        lua_settop(L, 1);
        return 1;
    }
    vm.text.clear();
    encode_json(vm, L, 1, {}, vm.text);
    decode_json(vm, L, vm.text);
    return 1;
}

int hinted(lua_State* L, int metatable) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__metatable"))
        return luaL_error(L, "this table has a hint or a metatable already");
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, metatable);
    lua_setmetatable(L, 1);
    return 1;
}
int json_array(lua_State* L) { return hinted(L, vm_of(L).array_metatable); }
int json_object(lua_State* L) { return hinted(L, vm_of(L).object_metatable); }

int json_type(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    luaL_checkany(L, 1);
    const char* name = luaL_typename(L, 1);
    if (lua_type(L, 1) == LUA_TLIGHTUSERDATA) {
        name = "null";
    } else if (lua_type(L, 1) == kTypeInt64) {
        name = "number";
    } else if (const LuaView* view = to_view(vm, L, 1)) {
        name = view_is_array(vm, *view) ? "array" : "object";
    } else if (lua_type(L, 1) == LUA_TTABLE) {
        const bool is_hinted =
            lua_getmetatable(L, 1) && lua_topointer(L, -1) == vm.array_metatable_id;
        lua_settop(L, 1);
        name = is_hinted || lua_objlen(L, 1) > 0 ? "array" : "object";
    }
    lua_pushstring(L, name);
    return 1;
}

}  // namespace

void append_lua_number(std::string& out, double value) {
    if (value == std::floor(value) && std::abs(value) <= kExactIntegerMax &&
        !(value == 0 && std::signbit(value))) {
        core::append_number(out, static_cast<std::int64_t>(value));
    } else if (value == 0) {
        out += "-0.0";
    } else {
        core::append_number(out, value);
    }
}

void push_int64(LuaVmState& vm, lua_State* L, std::uint64_t bits, bool is_signed) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.int64_make);
    lua_pushnumber(L, static_cast<double>(bits >> 32));
    lua_pushnumber(L, static_cast<double>(bits & 0xffffffffu));
    lua_pushboolean(L, is_signed);
    lua_call(L, 3, 1);
}

void encode_json(LuaVmState& vm, lua_State* L, int index, const EncodeOptions& options,
                 std::string& out) {
    vm.keys.clear();
    encode_value(Encoder{vm, L, options, out, out.size()}, index, 0);
}

void decode_json(LuaVmState& vm, lua_State* L, std::string_view json) {
    if (json.size() > kLuaJsonBytesMax) {
        luaL_error(L, "json: text of %d bytes is over the limit of %d",
                   static_cast<int>(json.size()), static_cast<int>(kLuaJsonBytesMax));
    }
    if (!vm.parser_ready) {
        const auto error = vm.parser.allocate(4096, static_cast<std::size_t>(kLuaJsonDepthMax));
        if (error) luaL_error(L, "json: %s", simdjson::error_message(error));
        vm.parser_ready = true;
    }
    vm.decode_text.assign(json);
    vm.decode_text.append(simdjson::SIMDJSON_PADDING, '\0');
    simdjson::dom::element root;
    const auto error = vm.parser.parse(vm.decode_text.data(), json.size(), false).get(root);
    if (error) luaL_error(L, "json: %s", simdjson::error_message(error));
    push_element(vm, L, root);
}

void push_sdk_json(LuaVmState& vm, lua_State* L) {
    lua_newtable(L);
    const LuaFunction functions[] = {{"encode", json_encode}, {"decode", json_decode},
                                     {"copy", json_copy},     {"array", json_array},
                                     {"object", json_object}, {"type", json_type}};
    set_functions(vm, L, functions);
    lua_pushlightuserdata(L, nullptr);
    lua_setfield(L, -2, "null");
}

}  // namespace millrace::runtime
