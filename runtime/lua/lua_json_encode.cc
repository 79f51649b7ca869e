// Lua to JSON. Keys are written sorted: equal values, equal bytes. Whatever this writes the decoder
// beside it reads: depth, keys of an object and numbers have the same bounds. A strict text that
// can't be is an error; a lenient one (for logs) is cut and says so.
#include "core/json_plain.h"
#include "core/json_writer.h"
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace millrace::runtime {
namespace {

// A lenient text is as long as it may be, less what closes what is open.
constexpr std::size_t kCloserBytes = 256;
constexpr std::string_view kCutMark = "...";

struct Encoder {
    LuaVmState& vm;
    lua_State* L;
    const EncodeOptions& options;
    std::string& out;
    std::size_t begin;
    bool& cut;

    bool lenient() const { return options.mode == EncodeMode::kLenient; }
    std::size_t used() const { return out.size() - begin; }
    // Lenient: bytes left.
    std::size_t room() const {
        const std::size_t limit = options.bytes_max > 2 * kCloserBytes
                                      ? options.bytes_max - kCloserBytes
                                      : options.bytes_max / 2;
        return used() >= limit ? 0 : limit - used();
    }
};

void encode_value(const Encoder& encoder, int index, int depth);

void check_size(const Encoder& encoder, std::size_t more) {
    if (encoder.used() + more > encoder.options.bytes_max) {
        luaL_error(encoder.L, "%s is too large: more than %d bytes of JSON", encoder.options.what,
                   static_cast<int>(encoder.options.bytes_max));
    }
}

void raise_depth(const Encoder& encoder) {
    luaL_error(encoder.L, "%s is nested deeper than %d, or holds itself", encoder.options.what,
               encoder.options.depth_max);
}

// As much of the text as there is room for, at the end of a character.
void append_cut_string(const Encoder& encoder, std::string_view text) {
    const std::size_t room = encoder.room();
    const std::size_t from = encoder.out.size();
    std::size_t bytes = std::min(text.size(), room);
    for (;;) {
        while (bytes > 0 && bytes < text.size() &&
               (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80)
            --bytes;
        encoder.out += '"';
        core::append_json_escaped(encoder.out, text.substr(0, bytes));
        const std::size_t written = encoder.out.size() - from - 1;
        if (written <= room) break;
        // Escapes made it longer.
        encoder.out.resize(from);
        bytes = bytes * room / written;
    }
    if (bytes < text.size()) {
        encoder.out += kCutMark;
        encoder.cut = true;
    }
    encoder.out += '"';
}

void encode_string(const Encoder& encoder, std::string_view text) {
    if (encoder.lenient()) {
        append_cut_string(encoder, text);
        return;
    }
    check_size(encoder, text.size() + 2);
    if (core::is_plain_json(text)) [[likely]] {
        encoder.out += '"';
        encoder.out += text;
        encoder.out += '"';
        return;
    }
    if (!simdjson::validate_utf8(text.data(), text.size())) {
        luaL_error(encoder.L, "%s holds a string that is not valid UTF-8; use sdk.crypto.base64",
                   encoder.options.what);
    }
    core::append_json_string(encoder.out, text);
}

// Lenient, between two items: whether there is room for one more; a mark stands for the rest.
bool goes_on(const Encoder& encoder, std::string_view mark, bool first) {
    if (!encoder.lenient()) return true;
    if (encoder.cut) return false;
    if (encoder.room() > 0) return true;
    if (!first) encoder.out += ',';
    encoder.out += mark;
    encoder.cut = true;
    return false;
}

void encode_array(const Encoder& encoder, int index, int depth, int count) {
    lua_State* L = encoder.L;
    encoder.out += '[';
    for (int i = 1; i <= count && goes_on(encoder, R"("...")", i == 1); ++i) {
        if (i > 1) encoder.out += ',';
        lua_rawgeti(L, index, i);
        encode_value(encoder, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    encoder.out += ']';
}

// What the keys of a table say it is.
struct Shape {
    bool is_list = true;  // every key is a positive whole number
    int highest = 0;
    int keys = 0;
    bool has_first = false;
    // What JSON can say as an array: it begins at 1 and has fewer holes than values, which are
    // written as null. {[9] = 3} is none: nobody has made its nulls.
    bool is_array() const {
        return is_list && (keys == 0 || (has_first && highest <= 2 * keys - 1));
    }
};

Shape shape_of(lua_State* L, int index) {
    Shape shape;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        const double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0.5;
        if (key < 1 || key != std::floor(key) || key > 1e8) {
            lua_pop(L, 1);
            shape.is_list = false;
            return shape;
        }
        shape.highest = std::max(shape.highest, static_cast<int>(key));
        ++shape.keys;
        shape.has_first |= key == 1;
    }
    return shape;
}

void check_key_count(const Encoder& encoder, std::size_t count) {
    if (count <= core::kJsonKeysPerObjectMax || encoder.lenient()) return;
    luaL_error(encoder.L, "%s has an object of more than %d keys", encoder.options.what,
               static_cast<int>(core::kJsonKeysPerObjectMax));
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
    check_key_count(encoder, keys.size() - from);
    std::sort(keys.begin() + static_cast<std::ptrdiff_t>(from), keys.end());
    return true;
}

void encode_sorted(const Encoder& encoder, int index, int depth, std::size_t from) {
    lua_State* L = encoder.L;
    auto& keys = encoder.vm.keys;
    const std::size_t end = keys.size();
    encoder.out += '{';
    for (std::size_t i = from; i < end && goes_on(encoder, R"("...":"...")", i == from); ++i) {
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

// Keys that are not all strings: numbers are written as their text. 1 and "1" are one key to JSON.
void collect_mixed(const Encoder& encoder, int index) {
    lua_State* L = encoder.L;
    auto& keys = encoder.vm.mixed_keys;
    const std::size_t from = keys.size();
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        EncodedKey key;
        const int type = lua_type(L, -1);
        if (type == LUA_TSTRING) {
            key.text = string_at(L, -1);
        } else if (type == LUA_TNUMBER) {
            key.number = lua_tonumber(L, -1);
            key.is_number = true;
            encoder.vm.text2.clear();
            append_lua_number(encoder.vm.text2, key.number);
            key.text = encoder.vm.key_texts.keep(encoder.vm.text2);
        } else if (!encoder.lenient()) {
            luaL_error(L, "%s has a table key of type %s; JSON keys are strings",
                       encoder.options.what, lua_typename(L, type));
        } else {
            continue;
        }
        keys.push_back(key);
    }
    check_key_count(encoder, keys.size() - from);
    std::sort(keys.begin() + static_cast<std::ptrdiff_t>(from), keys.end(),
              [](const EncodedKey& a, const EncodedKey& b) { return a.text < b.text; });
}

void encode_mixed(const Encoder& encoder, int index, int depth) {
    lua_State* L = encoder.L;
    auto& keys = encoder.vm.mixed_keys;
    const std::size_t from = keys.size();
    collect_mixed(encoder, index);
    const std::size_t end = keys.size();
    encoder.out += '{';
    bool first = true;
    for (std::size_t i = from; i < end && goes_on(encoder, R"("...":"...")", first); ++i) {
        const EncodedKey key = keys[i];
        if (i > from && keys[i - 1].text == key.text) {
            if (encoder.lenient()) continue;
            push_string(L, key.text);
            luaL_error(L, "%s has the key '%s' twice, as a number and as a string",
                       encoder.options.what, lua_tostring(L, -1));
        }
        if (!first) encoder.out += ',';
        first = false;
        encode_string(encoder, key.text);
        encoder.out += ':';
        if (key.is_number) {
            lua_pushnumber(L, key.number);
        } else {
            push_string(L, key.text);
        }
        lua_rawget(L, index);
        encode_value(encoder, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    keys.resize(from);
    encoder.out += '}';
}

// A table with the hint of an array says what it is; what contradicts it is not dropped.
void encode_hinted_array(const Encoder& encoder, int index, int depth) {
    const Shape shape = shape_of(encoder.L, index);
    if (shape.is_array()) {
        encode_array(encoder, index, depth, shape.highest);
    } else if (encoder.lenient()) {
        encode_mixed(encoder, index, depth);
    } else {
        luaL_error(encoder.L, "%s holds an array with %s", encoder.options.what,
                   shape.is_list ? "holes; use sdk.json.null" : "keys that are no positions");
    }
}

void encode_table(const Encoder& encoder, int index, int depth) {
    lua_State* L = encoder.L;
    const void* hint = nullptr;
    if (lua_getmetatable(L, index)) {
        hint = lua_topointer(L, -1);
        lua_pop(L, 1);
    }
    if (hint == encoder.vm.array_metatable_id) {
        encode_hinted_array(encoder, index, depth);
        return;
    }
    const std::size_t from = encoder.vm.keys.size();
    if (collect_keys(encoder, index)) {
        encode_sorted(encoder, index, depth, from);
        return;
    }
    const Shape shape = shape_of(L, index);
    if (hint != encoder.vm.object_metatable_id && shape.is_array()) {
        encode_array(encoder, index, depth, shape.highest);
    } else {
        encode_mixed(encoder, index, depth);
    }
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

void encode_int64(const Encoder& encoder, int index) {
    if (append_int64(encoder.vm, encoder.L, index, encoder.out)) return;
    if (!encoder.lenient())
        luaL_error(encoder.L, "%s holds a value JSON can't say", encoder.options.what);
    core::append_json_string(encoder.out, luaL_typename(encoder.L, index));
}

// A view's text goes in as it stands. Most can't be too deep where they are put; the others are
// looked at.
void encode_view(const Encoder& encoder, const LuaView& view, int depth) {
    const std::size_t from = encoder.out.size();
    append_view(encoder.vm, encoder.L, view, encoder.out);
    const std::string_view text = std::string_view(encoder.out).substr(from);
    const int levels_max = encoder.options.depth_max - depth;
    if (view_depth_max(encoder.vm, view) > levels_max &&
        json_scan::nesting(text.data(), text.data() + text.size()) > levels_max) {
        if (!encoder.lenient()) raise_depth(encoder);
        encoder.out.resize(from);
        encoder.out += R"("...")";
        return;
    }
    if (!encoder.lenient()) {
        check_size(encoder, 0);
        return;
    }
    const std::size_t bytes = text.size();
    encoder.out.resize(from);
    if (bytes <= encoder.room()) {
        append_view(encoder.vm, encoder.L, view, encoder.out);
        return;
    }
    // What does not fit is shown as far as it goes, as text.
    encoder.vm.text3.clear();
    append_view(encoder.vm, encoder.L, view, encoder.vm.text3);
    append_cut_string(encoder, encoder.vm.text3);
}

void encode_other(const Encoder& encoder, int index, int depth) {
    lua_State* L = encoder.L;
    const int type = lua_type(L, index);
    if (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == nullptr) {
        encoder.out += "null";
    } else if (type == kTypeInt64) {
        encode_int64(encoder, index);
    } else if (const LuaView* view = to_view(encoder.vm, L, index)) {
        encode_view(encoder, *view, depth);
    } else if (encoder.lenient()) {
        core::append_json_string(encoder.out, luaL_typename(L, index));
    } else {
        luaL_error(L, "%s holds a %s, which JSON can't say", encoder.options.what,
                   luaL_typename(L, index));
    }
}

// Recursion is bounded by EncodeOptions::depth_max, which also ends tables that hold themselves.
void encode_value(const Encoder& encoder, int index, int depth) {  // NOLINT(misc-no-recursion)
    lua_State* L = encoder.L;
    if (!encoder.lenient()) check_size(encoder, 1);
    switch (lua_type(L, index)) {
        case LUA_TNIL: encoder.out += "null"; return;
        case LUA_TBOOLEAN: encoder.out += lua_toboolean(L, index) ? "true" : "false"; return;
        case LUA_TNUMBER: encode_number(encoder, lua_tonumber(L, index)); return;
        case LUA_TSTRING: encode_string(encoder, string_at(L, index)); return;
        case LUA_TTABLE:
            if (depth >= encoder.options.depth_max) {
                if (!encoder.lenient()) raise_depth(encoder);
                encoder.out += R"("...")";
                return;
            }
            luaL_checkstack(L, 8, "JSON nesting");
            encode_table(encoder, index, depth + 1);
            return;
        default: encode_other(encoder, index, depth);
    }
}

}  // namespace

bool encode_json(LuaVmState& vm, lua_State* L, int index, const EncodeOptions& options,
                 std::string& out) {
    vm.keys.clear();
    vm.mixed_keys.clear();
    vm.key_texts.reset();
    bool cut = false;
    encode_value(Encoder{vm, L, options, out, out.size(), cut}, index, 0);
    return !cut;
}

}  // namespace millrace::runtime
