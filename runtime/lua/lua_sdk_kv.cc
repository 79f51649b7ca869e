// sdk.kv and sdk.cache. Writes are collected and take effect with the delivery's commit; reads
// look at the run's own writes first, then ask the host.
#include "core/decimal.h"
#include "core/json_writer.h"
#include "runtime/lua/lua_vm_state.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <tuple>
#include <vector>

namespace millrace::runtime {
namespace {

// Upvalues of every function here: VM, space, namespace.
KvSpace space_of(lua_State* L) {
    return static_cast<KvSpace>(static_cast<int>(lua_tonumber(L, lua_upvalueindex(2))));
}

// `namespace '\0' name` in vm.text2.
std::string_view full_key(LuaVmState& vm, lua_State* L, int index, const char* call) {
    const std::string_view name = check_string(L, index);
    if (name.size() > kLuaKvKeyBytesMax) {
        luaL_error(L, "%s: the key has %d bytes, the limit is %d", call,
                   static_cast<int>(name.size()), static_cast<int>(kLuaKvKeyBytesMax));
    }
    vm.text2.assign(string_at(L, lua_upvalueindex(3)));
    vm.text2 += '\0';
    vm.text2 += name;
    return vm.text2;
}

void enter(LuaVmState& vm, lua_State* L) {
    require_run(vm, L);
    require_permission(vm, L, Permission::kKv, "kv");
}

std::uint64_t hash_of(KvSpace space, std::string_view key) {
    return XXH3_64bits_withSeed(key.data(), key.size(), static_cast<std::uint64_t>(space));
}

void ask_host(LuaVmState& vm, lua_State* L, KvSpace space, std::string_view key, std::string& out,
              bool& found) {
    out.clear();
    const KvAnswer answer = vm.host->kv_get(space, key, out);
    if (answer == KvAnswer::kUnavailable) luaL_error(L, "kv: the store can't be read now");
    found = answer == KvAnswer::kFound;
}

std::uint64_t value_hash_of(bool found, std::string_view value) {
    return found ? std::hash<std::string_view>()(value) | 1 : 0;
}

// Of what was read more than once the first look stays: it is the one that may be out of date.
bool has_room_for_seen(std::vector<KvSeen>& seen) {
    if (seen.size() < kKvSeenMax) return true;
    const auto key_of = [](const KvSeen& one) { return std::tie(one.space, one.key); };
    std::stable_sort(seen.begin(), seen.end(),
                     [&](const KvSeen& a, const KvSeen& b) { return key_of(a) < key_of(b); });
    const auto end = std::unique(seen.begin(), seen.end(), [&](const KvSeen& a, const KvSeen& b) {
        return key_of(a) == key_of(b);
    });
    seen.erase(end, seen.end());
    return seen.size() < kKvSeenMax;
}

// A run that can not wait sees what it commits.
void note_seen(LuaVmState& vm, lua_State* L, KvSpace space, std::string_view key,
               std::uint64_t value_hash) {
    if (vm.waiting != LuaWaiting::kAllowed) return;
    if (!has_room_for_seen(vm.kv_seen))
        luaL_error(L, "kv: a run that waits reads %d keys at most", static_cast<int>(kKvSeenMax));
    vm.kv_seen.emplace_back();
    vm.kv_seen.back().space = space;
    vm.kv_seen.back().key.assign(key);
    vm.kv_seen.back().value_hash = value_hash;
}

// What incr adds up to is exact and stays a whole number of 64 bits, or a fraction below that.
constexpr std::int64_t kSumMax = std::numeric_limits<std::int64_t>::max();

// An amount or a value of incr: 64 bits where they do, all the digits elsewhere. No destructor: Lua
// errors jump over it.
struct Count {
    std::int64_t whole = 0;
    core::Decimal digits;  // when is_whole is false
    bool is_whole = true;
};

bool read_count(std::string_view json, Count& out) {
    const char* end = json.data() + json.size();
    const auto [stop, error] = std::from_chars(json.data(), end, out.whole);
    out.is_whole = error == std::errc{} && stop == end;
    return out.is_whole || core::Decimal::parse(json, out.digits);
}

core::Decimal digits_of(const Count& count) {
    return count.is_whole ? core::Decimal::of(count.whole) : count.digits;
}

void add_count(Count& sum, const Count& more) {
    std::int64_t whole = 0;
    if (sum.is_whole && more.is_whole && !__builtin_add_overflow(sum.whole, more.whole, &whole)) {
        sum.whole = whole;
        return;
    }
    core::Decimal digits = digits_of(sum);
    (void)digits.add(digits_of(more));  // both within 64 bits before the point: there is room
    sum.is_whole = digits.get(sum.whole);
    sum.digits = digits;
}

void append_count(std::string& out, const Count& count) {
    if (count.is_whole) {
        core::append_number(out, count.whole);
    } else {
        count.digits.append_to(out);
    }
}

void check_bound(LuaVmState& vm, lua_State* L, const Count& count, const char* what) {
    if (count.is_whole && count.whole >= -kSumMax) return;
    if (!count.is_whole && count.digits.compare_size(core::Decimal::of(kSumMax)) <= 0) return;
    vm.text3.clear();
    append_count(vm.text3, count);
    luaL_error(L, "kv.incr: the %s %s is beyond the bound of 9223372036854775807 either way", what,
               vm.text3.c_str());
}

void number_in(lua_State* L, std::string_view json, Count& out) {
    if (read_count(json, out)) return;
    const bool number = !json.empty() && (json[0] == '-' || (json[0] >= '0' && json[0] <= '9'));
    luaL_error(L, number ? "kv.incr: the value is beyond the bound of 9223372036854775807"
                         : "kv.incr: the value is not a number");
}

// The value as this run sees it, in vm.text; false when absent.
bool read_value(LuaVmState& vm, lua_State* L, KvSpace space, std::string_view key) {
    const std::uint64_t hash = hash_of(space, key);
    auto& effects = vm.effects;
    Count added;
    bool adds = false;
    bool found = false;
    bool settled = false;
    for (std::size_t i = effects.kv_ops.size(); i-- > 0 && !settled;) {
        if (effects.kv_hashes[i] != hash) continue;
        const KvOp& op = effects.kv_ops[i];
        if (op.space != space || op.key != key) continue;
        if (op.kind == KvOp::Kind::kIncrement) {
            Count delta;
            delta.whole = op.delta;
            if (!op.delta_text.empty()) (void)read_count(op.delta_text, delta);
            add_count(added, delta);
            adds = true;
            continue;
        }
        settled = true;
        found = op.kind == KvOp::Kind::kSet;
        vm.text.assign(op.value_json);
    }
    if (!settled) {
        ask_host(vm, L, space, key, vm.text, found);
        note_seen(vm, L, space, key, value_hash_of(found, vm.text));
    }
    if (!adds) return found;
    if (found) {
        Count base;
        number_in(L, vm.text, base);
        add_count(added, base);
    }
    vm.text.clear();
    append_count(vm.text, added);
    return true;
}

KvOp& add_op(LuaVmState& vm, lua_State* L, KvOp::Kind kind, KvSpace space, std::string_view key) {
    auto& effects = vm.effects;
    if (effects.kv_ops.size() >= kLuaKvOpsPerRunMax) {
        luaL_error(L, "kv: more than %d writes in one run", static_cast<int>(kLuaKvOpsPerRunMax));
    }
    KvOp op;
    op.kind = kind;
    op.space = space;
    op.key = keep_text(vm, L, key);
    effects.kv_hashes.push_back(hash_of(space, key));
    effects.kv_ops.push_back(op);
    return effects.kv_ops.back();
}

void count_bytes(LuaVmState& vm, lua_State* L, std::size_t bytes) {
    vm.effects.kv_bytes += bytes;
    if (vm.effects.kv_bytes > kLuaKvBytesPerRunMax) {
        luaL_error(L, "kv: more than %d bytes written in one run",
                   static_cast<int>(kLuaKvBytesPerRunMax));
    }
}

// The ttl in the options at `index`; 0 when there is none and the space has no default.
std::int64_t expiry(LuaVmState& vm, lua_State* L, int index, KvSpace space, const char* call) {
    double seconds = space == KvSpace::kCache ? kLuaCacheTtlSecondsDefault : 0;
    if (!lua_isnoneornil(L, index)) {
        luaL_checktype(L, index, LUA_TTABLE);
        check_options(L, index, call, {"ttl"});
        lua_getfield(L, index, "ttl");
        if (!lua_isnil(L, -1)) {
            seconds = luaL_checknumber(L, -1);
            if (!(seconds > 0 && seconds < 1e10))
                luaL_error(L, "kv: ttl must be a number of seconds above 0");
        }
        lua_pop(L, 1);
    }
    if (seconds == 0) return 0;
    return vm.host->wall_us() + std::llround(seconds * 1e6);
}

int kv_get(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    enter(vm, L);
    if (!read_value(vm, L, space_of(L), full_key(vm, L, 1, "kv.get"))) {
        lua_pushnil(L);
    } else if (vm.text[0] == '{' || vm.text[0] == '[') {
        decode_json(vm, L, vm.text);
    } else {
        push_json(vm, L, vm.text.data(), vm.text.data() + vm.text.size());
    }
    return 1;
}

int kv_delete(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    enter(vm, L);
    add_op(vm, L, KvOp::Kind::kDelete, space_of(L), full_key(vm, L, 1, "kv.delete"));
    return 0;
}

int kv_set(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    enter(vm, L);
    if (lua_isnoneornil(L, 2))
        return luaL_error(L, "kv.set: the value is nil; use kv.delete, or sdk.json.null");
    const KvSpace space = space_of(L);
    const std::int64_t expires_at_us = expiry(vm, L, 3, space, "kv.set");
    vm.text.clear();
    encode_json(vm, L, 2, {EncodeMode::kStrict, kLuaKvValueBytesMax, "kv.set: the value"}, vm.text);
    const std::string_view key = full_key(vm, L, 1, "kv.set");
    count_bytes(vm, L, vm.text.size() + key.size());
    KvOp& op = add_op(vm, L, KvOp::Kind::kSet, space, key);
    op.value_json = keep_text(vm, L, vm.text);
    op.expires_at_us = expires_at_us;
    return 0;
}

// A second increment of a key joins the first when nothing else happened to the key between them.
KvOp* open_increment(LuaVmState& vm, KvSpace space, std::string_view key) {
    const std::uint64_t hash = hash_of(space, key);
    auto& effects = vm.effects;
    for (std::size_t i = effects.kv_ops.size(); i-- > 0;) {
        KvOp& op = effects.kv_ops[i];
        if (effects.kv_hashes[i] != hash || op.space != space || op.key != key) continue;
        return op.kind == KvOp::Kind::kIncrement ? &op : nullptr;
    }
    return nullptr;
}

// The second argument of incr: a number, or a 64-bit integer with all its digits.
void amount_of(LuaVmState& vm, lua_State* L, Count& out) {
    vm.text3.clear();
    if (lua_isnoneornil(L, 2)) {
        out.whole = 1;
        return;
    }
    if (lua_type(L, 2) != kTypeInt64 || !append_int64(vm, L, 2, vm.text3)) {
        const double amount = luaL_checknumber(L, 2);
        if (!std::isfinite(amount)) luaL_error(L, "kv.incr: the amount is not finite");
        if (std::abs(amount) > 1e30) {
            luaL_error(L,
                       "kv.incr: the amount is beyond the bound of 9223372036854775807 either "
                       "way");
        }
        append_lua_number(vm.text3, amount);
    }
    if (!read_count(vm.text3, out)) luaL_error(L, "kv.incr: the amount is no number");
    if (out.is_whole || !out.digits.get(out.whole)) return;
    out.is_whole = true;  // "1e+18"
}

int kv_incr(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    enter(vm, L);
    const KvSpace space = space_of(L);
    Count amount;
    amount_of(vm, L, amount);
    check_bound(vm, L, amount, "amount");
    const bool has_ttl = !lua_isnoneornil(L, 3) || space == KvSpace::kCache;
    const std::int64_t expires_at_us = has_ttl ? expiry(vm, L, 3, space, "kv.incr") : 0;
    const std::string_view key = full_key(vm, L, 1, "kv.incr");
    Count sum;
    if (read_value(vm, L, space, key)) number_in(L, vm.text, sum);
    add_count(sum, amount);
    check_bound(vm, L, sum, "sum");
    KvOp* op = open_increment(vm, space, key);
    if (!op) {
        count_bytes(vm, L, key.size());
        op = &add_op(vm, L, KvOp::Kind::kIncrement, space, key);
    }
    Count delta;
    delta.whole = op->delta;
    if (!op->delta_text.empty()) (void)read_count(op->delta_text, delta);
    add_count(delta, amount);
    op->delta = delta.is_whole ? delta.whole : 0;
    op->delta_text = {};
    if (!delta.is_whole) {
        vm.text3.clear();
        append_count(vm.text3, delta);
        count_bytes(vm, L, vm.text3.size());
        op->delta_text = keep_text(vm, L, vm.text3);
    }
    if (expires_at_us != 0) op->expires_at_us = expires_at_us;
    vm.text.clear();
    append_count(vm.text, sum);
    push_number(vm, L, vm.text.data(), vm.text.data() + vm.text.size());
    return 1;
}

// Copies what the host shows into vm.decode_text and vm.list: no Lua in there, so no jump out of
// the host's frames.
// Keys that the run itself has written are left to overlay_list(), so that as many others as are
// wanted are looked for behind them.
class ListCopier final : public LuaHost::KvVisitor {
public:
    ListCopier(LuaVmState& vm, KvSpace space, std::size_t entries_max)
        : vm_(vm), space_(space), entries_max_(entries_max) {}
    bool entry(std::string_view key, std::string_view value_json) override {
        if (is_own(key)) return true;
        KvListEntry entry;
        std::string& text = vm_.decode_text;
        entry.key_begin = static_cast<std::uint32_t>(text.size());
        entry.key_bytes = static_cast<std::uint32_t>(key.size());
        text += key;
        entry.value_begin = static_cast<std::uint32_t>(text.size());
        entry.value_bytes = static_cast<std::uint32_t>(value_json.size());
        text += value_json;
        vm_.list.push_back(entry);
        full_ = text.size() >= kLuaJsonBytesMax;
        return vm_.list.size() < entries_max_ && !full_;
    }
    // It ended for want of room: behind the last entry nothing is known.
    bool full() const { return full_; }

private:
    bool is_own(std::string_view key) const {
        const LuaEffects& effects = vm_.effects;
        if (effects.kv_ops.empty()) return false;
        const std::uint64_t hash = hash_of(space_, key);
        for (std::size_t i = 0; i < effects.kv_hashes.size(); ++i) {
            if (effects.kv_hashes[i] == hash && effects.kv_ops[i].space == space_ &&
                effects.kv_ops[i].key == key)
                return true;
        }
        return false;
    }

    LuaVmState& vm_;
    const KvSpace space_;
    const std::size_t entries_max_;
    bool full_ = false;
};

std::string_view list_key(const LuaVmState& vm, const KvListEntry& entry) {
    return std::string_view(vm.decode_text).substr(entry.key_begin, entry.key_bytes);
}

// Adds the keys that the run itself has written and not deleted; vm.text2 holds the prefix. Each is
// read through read_value, which knows how sets, deletes and increments add up; a key that was
// written twice is found at its last write.
void overlay_list(LuaVmState& vm, lua_State* L, KvSpace space, bool host_was_full) {
    const std::size_t from_host = vm.list.size();
    for (std::size_t i = 0; i < vm.effects.kv_ops.size(); ++i) {
        const KvOp& op = vm.effects.kv_ops[i];
        if (op.space != space || !op.key.starts_with(vm.text2)) continue;
        if (host_was_full && from_host > 0 && op.key > list_key(vm, vm.list[from_host - 1]))
            continue;
        bool again = false;
        for (std::size_t j = i + 1; j < vm.effects.kv_ops.size() && !again; ++j) {
            again = vm.effects.kv_hashes[j] == vm.effects.kv_hashes[i] &&
                    vm.effects.kv_ops[j].space == space && vm.effects.kv_ops[j].key == op.key;
        }
        if (again || !read_value(vm, L, space, op.key)) continue;
        KvListEntry entry;
        entry.key_begin = static_cast<std::uint32_t>(vm.decode_text.size());
        entry.key_bytes = static_cast<std::uint32_t>(op.key.size());
        vm.decode_text += op.key;
        entry.value_begin = static_cast<std::uint32_t>(vm.decode_text.size());
        entry.value_bytes = static_cast<std::uint32_t>(vm.text.size());
        vm.decode_text += vm.text;
        vm.list.push_back(entry);
    }
    std::sort(vm.list.begin(), vm.list.end(), [&](const KvListEntry& a, const KvListEntry& b) {
        return list_key(vm, a) < list_key(vm, b);
    });
}

int kv_list(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    enter(vm, L);
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 2);
        lua_pushliteral(L, "");
        lua_replace(L, 1);
    }
    const KvSpace space = space_of(L);
    const double asked = luaL_optnumber(L, 2, 100);
    if (!(asked >= 1)) return luaL_error(L, "kv.list: the limit must be at least 1");
    const auto limit =
        static_cast<std::size_t>(std::min(asked, static_cast<double>(kLuaKvListMax)));
    const std::string_view prefix = full_key(vm, L, 1, "kv.list");
    const std::size_t room_bytes = string_at(L, lua_upvalueindex(3)).size() + 1;
    vm.list.clear();
    vm.decode_text.clear();
    ListCopier copier(vm, space, limit);
    if (vm.host->kv_list(space, prefix, copier) == KvAnswer::kUnavailable) {
        return luaL_error(L, "kv: the store can't be read now");
    }
    for (const KvListEntry& entry : vm.list) {
        const auto value =
            std::string_view(vm.decode_text).substr(entry.value_begin, entry.value_bytes);
        note_seen(vm, L, space, list_key(vm, entry), value_hash_of(true, value));
    }
    overlay_list(vm, L, space, copier.full());
    // Values are pushed from a second text: decode_json uses decode_text for itself.
    vm.decode_text.swap(vm.text2);
    lua_newtable(L);
    const std::size_t count = std::min(limit, vm.list.size());
    for (std::size_t i = 0; i < count; ++i) {
        const KvListEntry entry = vm.list[i];
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, vm.text2.data() + entry.key_begin + room_bytes,
                        entry.key_bytes - room_bytes);
        lua_setfield(L, -2, "key");
        decode_json(vm, L, std::string_view(vm.text2).substr(entry.value_begin, entry.value_bytes));
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -2, static_cast<int>(i + 1));
    }
    return 1;
}

void set_room_functions(LuaVmState& vm, lua_State* L, KvSpace space, std::string_view room) {
    const LuaFunction functions[] = {{"get", kv_get},
                                     {"set", kv_set},
                                     {"delete", kv_delete},
                                     {"incr", kv_incr},
                                     {"list", kv_list}};
    for (const LuaFunction& function : functions) {
        lua_pushlightuserdata(L, &vm);
        lua_pushnumber(L, static_cast<int>(space));
        push_string(L, room);
        lua_pushcclosure(L, function.function, 3);
        lua_setfield(L, -2, function.name);
    }
}

int kv_namespace(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    const std::string_view room = check_string(L, 1);
    if (room.empty() || room.size() > kLuaKvNamespaceBytesMax ||
        room.find('\0') != std::string_view::npos) {
        return luaL_error(L, "kv.namespace: the name must have 1 to %d bytes and no NUL",
                          static_cast<int>(kLuaKvNamespaceBytesMax));
    }
    lua_createtable(L, 0, 5);
    set_room_functions(vm, L, space_of(L), room);
    return 1;
}

}  // namespace

bool kv_has_changed(LuaVmState& vm) {
    for (const KvOp& op : vm.effects.kv_ops) {
        if (op.kind == KvOp::Kind::kIncrement) continue;
        for (const KvSeen& seen : vm.kv_seen) {
            if (seen.space != op.space || seen.key != op.key) continue;
            vm.text.clear();
            const KvAnswer now = vm.host->kv_get(seen.space, seen.key, vm.text);
            if (value_hash_of(now == KvAnswer::kFound, vm.text) != seen.value_hash) return true;
        }
    }
    return false;
}

void push_sdk_kv(LuaVmState& vm, lua_State* L, KvSpace space) {
    lua_newtable(L);
    set_room_functions(vm, L, space, "");
    lua_pushlightuserdata(L, &vm);
    lua_pushnumber(L, static_cast<int>(space));
    lua_pushcclosure(L, kv_namespace, 2);
    lua_setfield(L, -2, "namespace");
}

}  // namespace millrace::runtime
