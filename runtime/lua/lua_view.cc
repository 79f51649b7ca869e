// The lazy read-only views of the event and its parts. A field is looked for when it is first
// touched; a nested object or array is again a view. Unit of work: one __index call, about 20 ns
// for a
// scalar near the front; bench/runtime_lua_bench.cc.
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_vm_state.h"

#include <cstring>

namespace millrace::runtime {
namespace {

namespace scan = json_scan;

const char* pinned_name(const LuaVmState& vm, PinnedName name) {
    return vm.pinned[static_cast<std::size_t>(name)];
}

LuaView* new_view(LuaVmState& vm, lua_State* L) {
    auto* view = static_cast<LuaView*>(lua_newuserdata(L, sizeof(LuaView)));
    *view = LuaView{0, 0, &vm};
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.view_metatable);
    lua_setmetatable(L, -2);
    return view;
}

// Runs beside it take others.
void replace_pooled_view(LuaVmState& vm, std::uint32_t index) {
    luaL_unref(vm.L, LUA_REGISTRYINDEX, vm.view_references[index]);
    vm.views[index] = new_view(vm, vm.L);
    vm.view_references[index] = luaL_ref(vm.L, LUA_REGISTRYINDEX);
}

void push_view(LuaVmState& vm, lua_State* L, std::uint32_t node) {
    LuaView* view = nullptr;
    if (vm.views_used < kPooledViews) [[likely]] {
        ++vm.views_used;
        const std::uint32_t index = vm.views_next++ % kPooledViews;
        view = vm.views[index];
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm.view_references[index]);
    } else {
        view = new_view(vm, L);
    }
    view->generation = vm.generation;
    view->node = node;
}

const LuaView& live_view(LuaVmState& vm, lua_State* L, const LuaView* view) {
    if (view->generation != vm.generation) {
        luaL_error(L,
                   "this event belongs to an earlier run; copy what you keep with sdk.json.copy");
    }
    return *view;
}

void push_member(LuaVmState& vm, lua_State* L, std::uint32_t node, std::uint32_t member) {
    const char* value = vm.tree.member(member).value;
    const char* end = vm.tree.node(node).end;
    if (*value == '{' || *value == '[') {
        push_view(vm, L, vm.tree.node_of(member, node));
    } else {
        push_json(vm, L, value, end);
    }
}

void push_timestamp(lua_State* L, std::int64_t us) {
    char text[core::kTimestampBytesMax];
    lua_pushlstring(L, text, core::format_timestamp(us, text));
}

// What the sender left out of the envelope. Answers false when there is nothing of that name.
bool push_filled(LuaVmState& vm, lua_State* L, const char* key) {
    const EventInput& input = *vm.input;
    if (key == pinned_name(vm, PinnedName::kEventId) && !input.event_id.empty()) {
        push_string(L, input.event_id);
    } else if (key == pinned_name(vm, PinnedName::kPattern) && !input.pattern.empty()) {
        push_string(L, input.pattern);
    } else if (key == pinned_name(vm, PinnedName::kVersion)) {
        push_string(L, input.version_fill);
    } else if (key == pinned_name(vm, PinnedName::kSource)) {
        const std::string_view fill = input.source_fill;
        if (vm.source_node == JsonTree::kNone)
            vm.source_node = vm.tree.add_node(fill.data(), fill.data() + fill.size());
        push_view(vm, L, vm.source_node);
    } else if (key == pinned_name(vm, PinnedName::kTimestamp) ||
               key == pinned_name(vm, PinnedName::kReceivedAt)) {
        push_timestamp(L, input.received_at_us);
    } else if (key == pinned_name(vm, PinnedName::kTenantId) && !input.tenant_id.empty()) {
        push_string(L, input.tenant_id);
    } else {
        return false;
    }
    return true;
}

// event.payload: the slice the caller knows, else found in the text.
bool push_payload(LuaVmState& vm, lua_State* L) {
    if (vm.payload_node == JsonTree::kNone) {
        const std::string_view known =
            vm.input->payload.empty() ? vm.input->text : vm.input->payload;
        const char* end = known.data() + known.size();
        const char* begin =
            vm.input->payload.empty() ? scan::find_payload(known.data(), end) : known.data();
        if (begin) vm.payload_node = vm.tree.add_node(begin, end, 2);
        if (vm.payload_node == JsonTree::kNone) return false;
    }
    push_view(vm, L, vm.payload_node);
    return true;
}

// What is known without a search through the members.
bool push_known(LuaVmState& vm, lua_State* L, const char* key) {
    const EventInput& input = *vm.input;
    if (key == pinned_name(vm, PinnedName::kPayload)) return push_payload(vm, L);
    if (key == pinned_name(vm, PinnedName::kPattern) && !input.pattern.empty()) {
        push_string(L, input.pattern);
        return true;
    }
    if (key == pinned_name(vm, PinnedName::kEventId) && !input.event_id.empty()) {
        push_string(L, input.event_id);
        return true;
    }
    return false;
}

int view_index(lua_State* L) {
    // By its view: a look at the upvalue costs as much as the rest of a read from the front.
    const auto* box = static_cast<const LuaView*>(lua_touserdata(L, 1));
    LuaVmState& vm = *box->vm;
    const LuaView& view = live_view(vm, L, box);
    if (lua_type(L, 2) == LUA_TSTRING) {
        std::size_t bytes = 0;
        const char* key = lua_tolstring(L, 2, &bytes);
        const bool is_event = view.node == 0 && vm.root_is_event;
        if (is_event && push_known(vm, L, key)) return 1;
        const std::uint32_t member = vm.tree.find(view.node, {key, bytes});
        if (member != JsonTree::kNone) {
            push_member(vm, L, view.node, member);
        } else if (!is_event || !push_filled(vm, L, key)) {
            lua_pushnil(L);
        }
        return 1;
    }
    if (lua_type(L, 2) == LUA_TNUMBER) {
        const double index = lua_tonumber(L, 2);
        if (index >= 1 && index < 4e9 &&
            index == static_cast<double>(static_cast<std::uint32_t>(index))) {
            const std::uint32_t member =
                vm.tree.element(view.node, static_cast<std::uint32_t>(index) - 1);
            if (member != JsonTree::kNone) {
                push_member(vm, L, view.node, member);
                return 1;
            }
        }
    }
    lua_pushnil(L);
    return 1;
}

int view_newindex(lua_State* L) {
    return luaL_error(L,
                      "the event is read-only; sdk.json.copy(value) makes a table you can change");
}

int view_length(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView& view = live_view(vm, L, static_cast<const LuaView*>(lua_touserdata(L, 1)));
    const bool is_array = vm.tree.node(view.node).is_array;
    lua_pushnumber(L, is_array ? vm.tree.count(view.node) : 0);
    return 1;
}

int view_equal(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView* a = to_view(vm, L, 1);
    const LuaView* b = to_view(vm, L, 2);
    lua_pushboolean(L, a && b && a->generation == b->generation && a->node == b->node);
    return 1;
}

int view_to_string(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView* view = to_view(vm, L, 1);
    if (!view) return luaL_error(L, "not a view of an event");
    vm.text2.clear();
    append_view(vm, L, *view, vm.text2);
    push_string(L, vm.text2);
    return 1;
}

// Names that are filled in, in the order pairs() gives them.
constexpr PinnedName kFilled[] = {
    PinnedName::kEventId,   PinnedName::kPattern,  PinnedName::kVersion,   PinnedName::kSource,
    PinnedName::kTimestamp, PinnedName::kTenantId, PinnedName::kReceivedAt};
constexpr std::uint32_t kFillBase = 0x80000000u;

// Pushes key and value of the first filled-in member at or behind `index`; 0 at the end.
int push_fill_pair(LuaVmState& vm, lua_State* L, std::uint32_t index) {
    for (; index < std::size(kFilled); ++index) {
        const char* name = pinned_name(vm, kFilled[index]);
        if (vm.tree.find(0, name) != JsonTree::kNone) continue;
        lua_pushstring(L, name);
        if (!push_filled(vm, L, name)) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushnumber(L, kFillBase + index + 1);
        lua_replace(L, lua_upvalueindex(3));
        return 2;
    }
    return 0;
}

// Upvalues: VM, the view, where the next step goes on (a member, or kFillBase + index).
int view_step(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView& view =
        live_view(vm, L, static_cast<const LuaView*>(lua_touserdata(L, lua_upvalueindex(2))));
    const auto position = static_cast<std::uint32_t>(lua_tonumber(L, lua_upvalueindex(3)));
    const bool is_event = view.node == 0 && vm.root_is_event;
    if (position >= kFillBase && position != JsonTree::kNone) {
        return is_event ? push_fill_pair(vm, L, position - kFillBase) : 0;
    }
    const std::uint32_t member =
        position == JsonTree::kNone ? vm.tree.first(view.node) : vm.tree.next(view.node, position);
    if (member == JsonTree::kNone) {
        // Nothing follows: from here on only what was filled in is left.
        lua_pushnumber(L, kFillBase);
        lua_replace(L, lua_upvalueindex(3));
        return is_event ? push_fill_pair(vm, L, 0) : 0;
    }
    lua_pushnumber(L, member);
    lua_replace(L, lua_upvalueindex(3));
    push_string(L, vm.tree.key(vm.tree.member(member), vm.text2));
    push_member(vm, L, view.node, member);
    return 2;
}

int array_step(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView& view =
        live_view(vm, L, static_cast<const LuaView*>(lua_touserdata(L, lua_upvalueindex(2))));
    const auto index = static_cast<std::uint32_t>(lua_tonumber(L, lua_upvalueindex(3)));
    const std::uint32_t member = vm.tree.element(view.node, index);
    if (member == JsonTree::kNone) return 0;
    lua_pushnumber(L, index + 1);
    lua_replace(L, lua_upvalueindex(3));
    lua_pushnumber(L, index + 1);
    push_member(vm, L, view.node, member);
    return 2;
}

void push_iterator(LuaVmState& vm, lua_State* L, lua_CFunction step, double start) {
    lua_pushlightuserdata(L, &vm);
    lua_pushvalue(L, 1);
    lua_pushnumber(L, start);
    lua_pushcclosure(L, step, 3);
}

}  // namespace

// What pairs() and ipairs() of the sandbox call for a userdata; nil when it is not ours.
int view_pairs(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView* view = to_view(vm, L, 1);
    if (!view && is_context(vm, L, 1)) {
        push_context_pairs(vm, L);
        return 1;
    }
    if (!view) return luaL_error(L, "bad argument #1 to 'pairs' (table or event expected)");
    if (view_is_array(vm, *view)) {
        push_iterator(vm, L, array_step, 0);
    } else {
        push_iterator(vm, L, view_step, JsonTree::kNone);
    }
    return 1;
}

int view_ipairs(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const LuaView* view = to_view(vm, L, 1);
    if (!view) return luaL_error(L, "bad argument #1 to 'ipairs' (table or event expected)");
    push_iterator(vm, L, array_step, 0);
    return 1;
}

const LuaView* to_view(LuaVmState& vm, lua_State* L, int index) {
    void* box = lua_touserdata(L, index);
    if (!box || !lua_getmetatable(L, index)) return nullptr;
    const bool ours = lua_topointer(L, -1) == vm.view_metatable_id;
    lua_pop(L, 1);
    return ours ? static_cast<const LuaView*>(box) : nullptr;
}

bool view_is_array(LuaVmState& vm, const LuaView& view) {
    return view.generation == vm.generation && vm.tree.node(view.node).is_array;
}

int view_depth_max(const LuaVmState& vm, const LuaView& view) {
    const std::size_t text_max =
        vm.root_is_event ? core::kJsonDepthMax : core::kJsonDocumentDepthMax;
    return static_cast<int>(text_max + 1) - static_cast<int>(vm.tree.node(view.node).depth);
}

std::string_view envelope_text(LuaVmState& vm, std::string_view known, std::string_view name) {
    if (!known.empty() || !vm.root_is_event || vm.tree.nodes() == 0) return known;
    const std::uint32_t member = vm.tree.find(0, name);
    if (member == JsonTree::kNone) return {};
    const char* begin = vm.tree.member(member).value;
    const char* end = vm.tree.node(0).end;
    if (*begin != '"') return {};
    bool escaped = false;
    const char* close = scan::string_end(begin + 1, end, escaped);
    if (!escaped) return {begin + 1, static_cast<std::size_t>(close - begin - 1)};
    vm.envelope_scratch.clear();
    append_unescaped(vm.envelope_scratch, begin + 1, close);
    return vm.envelope_scratch;
}

void push_event(LuaVmState& vm, lua_State* L) {
    if (vm.tree.nodes() > 0) {
        push_view(vm, L, 0);
        return;
    }
    const std::string_view text = vm.input->text;
    const char* end = text.data() + text.size();
    push_json(vm, L, scan::skip_space(text.data(), end), end);
}

void push_json_string(LuaVmState& vm, lua_State* L, const char* inside, const char* end,
                      bool escaped) {
    if (!escaped) [[likely]] {
        lua_pushlstring(L, inside, static_cast<std::size_t>(end - inside));
        return;
    }
    vm.text2.clear();
    append_unescaped(vm.text2, inside, end);
    push_string(L, vm.text2);
}

void push_json(LuaVmState& vm, lua_State* L, const char* begin, const char* end) {
    if (begin >= end) {
        lua_pushnil(L);
        return;
    }
    switch (*begin) {
        case '"': {
            bool escaped = false;
            const char* close = scan::string_end(begin + 1, end, escaped);
            push_json_string(vm, L, begin + 1, close, escaped);
            return;
        }
        case '{':
        case '[': push_view(vm, L, vm.tree.add_node(begin, end)); return;
        case 't': lua_pushboolean(L, 1); return;
        case 'f': lua_pushboolean(L, 0); return;
        case 'n': lua_pushlightuserdata(L, nullptr); return;
        default: push_number(vm, L, begin, end);
    }
}

// A run that waits may outlive the text, and views point into it.
void push_json_once(LuaVmState& vm, lua_State* L, std::string_view json, std::uint32_t& node) {
    if (node == JsonTree::kNone && !json.empty() && (json[0] == '{' || json[0] == '[')) {
        const std::string_view kept = vm.effects.texts.keep(json);
        node = vm.tree.add_node(kept.data(), kept.data() + kept.size());
    }
    if (node != JsonTree::kNone)
        push_view(vm, L, node);
    else
        push_json(vm, L, json.data(), json.data() + json.size());
}

// Line breaks between tokens become blanks: emitted payloads and results stay on one line.
static void append_on_one_line(std::string& out, std::string_view json) {
    const std::size_t from = out.size();
    out.append(json);
    for (std::size_t i = from; i < out.size(); ++i) {
        if (static_cast<unsigned char>(out[i]) < 0x20) out[i] = ' ';
    }
}

void append_view(LuaVmState& vm, lua_State* L, const LuaView& view, std::string& out) {
    live_view(vm, L, &view);
    append_on_one_line(out, vm.tree.text(view.node));
    if (view.node != 0 || !vm.root_is_event || out.back() != '}') return;
    out.pop_back();
    while (!out.empty() && out.back() == ' ') out.pop_back();
    bool first = out.back() == '{';
    for (const PinnedName filled : kFilled) {
        const char* name = pinned_name(vm, filled);
        if (vm.tree.find(0, name) != JsonTree::kNone) continue;
        if (!push_filled(vm, L, name)) continue;
        if (!first) out += ',';
        first = false;
        out += '"';
        out += name;
        out += "\":";
        if (lua_type(L, -1) == LUA_TSTRING) {
            core::append_json_string(out, string_at(L, -1));
        } else {
            append_on_one_line(out, vm.input->source_fill);
        }
        lua_pop(L, 1);
    }
    out += '}';
}

void give_views_away(LuaVmState& vm) {
    for (std::uint32_t i = 1; i <= vm.views_used; ++i)
        replace_pooled_view(vm, (vm.views_next - i) % kPooledViews);
}

void open_views(LuaVmState& vm, lua_State* L) {
    constexpr const char* kNames[] = {"payload", "eventId",   "pattern",  "version",
                                      "source",  "timestamp", "tenantId", "receivedAt"};
    static_assert(std::size(kNames) == static_cast<std::size_t>(PinnedName::kCount));
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
        lua_pushstring(L, kNames[i]);
        vm.pinned[i] = lua_tostring(L, -1);
        luaL_ref(L, LUA_REGISTRYINDEX);  // never freed, so the pointer tells the name
    }
    lua_newtable(L);
    const LuaFunction functions[] = {{"__index", view_index},
                                     {"__newindex", view_newindex},
                                     {"__len", view_length},
                                     {"__eq", view_equal},
                                     {"__tostring", view_to_string}};
    set_functions(vm, L, functions);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    vm.view_metatable_id = lua_topointer(L, -1);
    vm.view_metatable = luaL_ref(L, LUA_REGISTRYINDEX);
    for (std::uint32_t i = 0; i < kPooledViews; ++i) {
        vm.views[i] = new_view(vm, L);
        vm.view_references[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

}  // namespace millrace::runtime
