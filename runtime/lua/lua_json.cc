// JSON to Lua, and sdk.json. Numbers: see lua_number.cc. null is sdk.json.null, arrays carry a hint
// so that an empty one stays an array. The grammar is the event parser's: its walker reads.
#include "core/json_tokens.h"
#include "core/json_walker.h"
#include "runtime/lua/lua_vm_state.h"

namespace millrace::runtime {

struct JsonDecoder {
    core::JsonTokens tokens;
    core::JsonWalker walker;
    core::TextArena texts;
};

void JsonDecoderDeleter::operator()(JsonDecoder* decoder) const { delete decoder; }

namespace {

// Tables are made with room for a few members: most have no more.
constexpr int kTableRoom = 4;

void push_decoded(LuaVmState& vm, lua_State* L);

// No frame that an error leaves may own anything: the message is kept by the VM.
void keep_message(LuaVmState& vm, core::JsonFault fault, std::int64_t position,
                  std::string_view found) {
    vm.text2 = core::json_error(fault, position, found).message;
}

void raise_kept(LuaVmState& vm, lua_State* L) { luaL_error(L, "json: %s", vm.text2.c_str()); }

void raise_fault(LuaVmState& vm, lua_State* L) {
    const core::JsonWalker& walker = vm.decoder->walker;
    const std::size_t bytes = vm.decode_text.size() - core::kWalkerPaddingBytes;
    const std::uint32_t at = walker.fault_at();
    const bool past = at >= bytes;
    keep_message(
        vm, past ? core::JsonFault::kTruncated : walker.fault(), at,
        past ? std::string_view() : std::string_view(vm.decode_text).substr(at, bytes - at));
    raise_kept(vm, L);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the walker's depth
void push_object(LuaVmState& vm, lua_State* L) {
    core::JsonWalker& walker = vm.decoder->walker;
    if (!walker.enter_object()) raise_fault(vm, L);
    lua_createtable(L, 0, kTableRoom);
    for (bool more = !walker.object_is_empty(); more;) {
        std::string_view name;
        std::uint64_t hash = 0;
        if (!walker.key(name, hash)) raise_fault(vm, L);
        push_string(L, name);
        push_decoded(vm, L);
        lua_rawset(L, -3);
        if (!walker.more_members(more)) raise_fault(vm, L);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the walker's depth
void push_array(LuaVmState& vm, lua_State* L) {
    core::JsonWalker& walker = vm.decoder->walker;
    if (!walker.enter_array()) raise_fault(vm, L);
    lua_createtable(L, kTableRoom, 0);
    int count = 0;
    for (bool more = !walker.array_is_empty(); more;) {
        push_decoded(vm, L);
        lua_rawseti(L, -2, ++count);
        if (!walker.more_elements(more)) raise_fault(vm, L);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.array_metatable);
    lua_setmetatable(L, -2);
}

void push_decoded_string(LuaVmState& vm, lua_State* L) {
    core::JsonWalker& walker = vm.decoder->walker;
    std::string_view raw;
    if (!walker.string(raw)) raise_fault(vm, L);
    push_string(L,
                walker.has_escapes(raw) ? core::JsonWalker::resolve(raw, vm.decoder->texts) : raw);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the walker's depth
void push_decoded(LuaVmState& vm, lua_State* L) {
    core::JsonWalker& walker = vm.decoder->walker;
    luaL_checkstack(L, 8, "JSON nesting");
    const char first = walker.peek();
    switch (first) {
        case '{': push_object(vm, L); return;
        case '[': push_array(vm, L); return;
        case '"': push_decoded_string(vm, L); return;
        case 't':
        case 'f':
            if (!walker.literal()) raise_fault(vm, L);
            lua_pushboolean(L, first == 't');
            return;
        case 'n':
            if (!walker.literal()) raise_fault(vm, L);
            lua_pushlightuserdata(L, nullptr);
            return;
        default: break;
    }
    std::string_view text;
    if (first != '-' && !core::is_digit(first)) walker.fail_here(core::JsonFault::kExpectedValue);
    if ((first != '-' && !core::is_digit(first)) || !walker.number(text)) raise_fault(vm, L);
    push_number(vm, L, text.data(), text.data() + text.size());
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

void decode_json(LuaVmState& vm, lua_State* L, std::string_view json) {
    if (json.size() > kLuaJsonBytesMax) {
        luaL_error(L, "json: text of %d bytes is over the limit of %d",
                   static_cast<int>(json.size()), static_cast<int>(kLuaJsonBytesMax));
    }
    if (!vm.decoder) vm.decoder.reset(new JsonDecoder);
    JsonDecoder& decoder = *vm.decoder;
    // The walker stops at the blanks behind the text.
    vm.decode_text.assign(json);
    vm.decode_text.append(core::kWalkerPaddingBytes, ' ');
    const core::JsonFault stage = decoder.tokens.run(vm.decode_text.data(), json.size() + 1);
    if (stage != core::JsonFault::kNone) {
        keep_message(vm, stage, core::find_stage_fault(stage, vm.decode_text), {});
        raise_kept(vm, L);
    }
    decoder.texts.clear();
    decoder.walker.clear_arena();
    decoder.walker.start(vm.decode_text.data(), json.size() + 1, decoder.tokens.begin(),
                         core::DuplicateKeys::kRefuse, kLuaJsonDepthMax);
    push_decoded(vm, L);
    if (decoder.walker.token() != decoder.tokens.end()) {
        decoder.walker.fail_here(core::JsonFault::kTrailing);
        raise_fault(vm, L);
    }
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
