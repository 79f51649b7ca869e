// Numbers between JSON and Lua, and the arithmetic of those that no double holds. A number up to
// 2^53, or with a fraction, is a Lua number (the nearest double; beyond their range math.huge). A
// whole one beyond that, up to 64 bits, is a 64-bit integer: a cdata whose operators are the ones
// below, since LuaJIT's own wrap around, divide whole and take 0.5 for 0.
#include "core/decimal.h"
#include "core/json_number.h"
#include "core/json_writer.h"
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_vm_state.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace millrace::runtime {
namespace {

namespace scan = json_scan;
using Wide = __int128;

constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53
constexpr double kBeyond64Bits = 1.85e19;

bool push_digits(LuaVmState& vm, lua_State* L, std::string_view text) {
    const char* end = text.data() + text.size();
    std::int64_t whole = 0;
    if (std::from_chars(text.data(), end, whole).ec == std::errc{}) {
        push_int64(vm, L, static_cast<std::uint64_t>(whole), true);
        return true;
    }
    std::uint64_t large = 0;
    if (text[0] == '-' || std::from_chars(text.data(), end, large).ec != std::errc{}) return false;
    push_int64(vm, L, large, false);
    return true;
}

// "9007199254740993.0", "90071992547409930e-1": whole, of 64 bits, and not what a double holds.
bool push_exact(LuaVmState& vm, lua_State* L, std::string_view text, double nearest) {
    if (!(std::abs(nearest) >= kExactIntegerMax && std::abs(nearest) < kBeyond64Bits)) return false;
    core::Decimal exact;
    core::Decimal read;
    if (!core::Decimal::parse(text, exact) || !core::Decimal::of(nearest, read)) return false;
    if (exact.compare_size(read) == 0 || !exact.is_whole()) return false;
    vm.text3.clear();
    exact.append_to(vm.text3);
    return push_digits(vm, L, vm.text3);
}

// Beyond 2^53, or written with a point or an exponent.
void push_long_number(LuaVmState& vm, lua_State* L, const char* p, const char* end) {
    const char* stop = scan::value_end(p, end);
    const std::string_view text(p, static_cast<std::size_t>(stop - p));
    const bool digits_only = std::all_of(text.begin(), text.end(),
                                         [](char c) { return c != '.' && c != 'e' && c != 'E'; });
    if (digits_only && push_digits(vm, L, text)) return;
    double number = core::decode_number(p, stop).approx;
    if (!digits_only && push_exact(vm, L, text, number)) return;
    if (number == 0 && *p == '-') number = -0.0;
    lua_pushnumber(L, number);
}

// What an operand of an operator is; see kind_of in the bootstrap (lua_sandbox.cc).
enum class Kind : int { kNumber = 0, kSigned = 1, kUnsigned = 2 };

struct Operand {
    Wide whole = 0;
    double number = 0;      // nearest
    bool is_whole = false;  // a whole number that `whole` holds
};

Operand operand_at(lua_State* L, int index, int kind_index) {
    Operand out;
    const auto kind = static_cast<Kind>(static_cast<int>(lua_tonumber(L, kind_index)));
    if (kind == Kind::kNumber) {
        out.number = lua_tonumber(L, index);
        // Beyond this no sum with a 64-bit integer is one.
        out.is_whole = out.number == std::floor(out.number) && std::abs(out.number) < 1e30;
        if (out.is_whole) out.whole = static_cast<Wide>(out.number);
        return out;
    }
    std::uint64_t bits = 0;
    std::memcpy(&bits, lua_topointer(L, index), sizeof bits);
    out.is_whole = true;
    if (kind == Kind::kSigned) {
        out.whole = static_cast<std::int64_t>(bits);
        out.number = static_cast<double>(static_cast<std::int64_t>(bits));
    } else {
        out.whole = bits;
        out.number = static_cast<double>(bits);
    }
    return out;
}

// A number again as soon as a double holds it; beyond 64 bits the nearest double.
int push_whole(LuaVmState& vm, lua_State* L, Wide value) {
    constexpr auto kExact = static_cast<Wide>(kExactIntegerMax);
    const bool double_holds_it = value >= -kExact && value <= kExact;
    if (!double_holds_it && value >= std::numeric_limits<std::int64_t>::min() &&
        value <= std::numeric_limits<std::int64_t>::max()) {
        push_int64(vm, L, static_cast<std::uint64_t>(value), true);
    } else if (!double_holds_it && value > 0 &&
               value <= std::numeric_limits<std::uint64_t>::max()) {
        push_int64(vm, L, static_cast<std::uint64_t>(value), false);
    } else {
        lua_pushnumber(L, static_cast<double>(value));
    }
    return 1;
}

double floored_rest(double a, double b) { return a - std::floor(a / b) * b; }

int push_result(LuaVmState& vm, lua_State* L, char operation, const Operand& a, const Operand& b) {
    const bool whole = a.is_whole && b.is_whole;
    Wide exact = 0;
    switch (operation) {
        case '+':
            if (whole) return push_whole(vm, L, a.whole + b.whole);
            lua_pushnumber(L, a.number + b.number);
            return 1;
        case '-':
            if (whole) return push_whole(vm, L, a.whole - b.whole);
            lua_pushnumber(L, a.number - b.number);
            return 1;
        case '*':
            if (whole && !__builtin_mul_overflow(a.whole, b.whole, &exact))
                return push_whole(vm, L, exact);
            lua_pushnumber(L, a.number * b.number);
            return 1;
        case '/':
            if (whole && b.whole != 0 && a.whole % b.whole == 0)
                return push_whole(vm, L, a.whole / b.whole);
            lua_pushnumber(L, a.number / b.number);
            return 1;
        case '%':
            if (whole && b.whole != 0) {
                exact = a.whole % b.whole;
                if (exact != 0 && (exact < 0) != (b.whole < 0)) exact += b.whole;
                return push_whole(vm, L, exact);
            }
            lua_pushnumber(L, floored_rest(a.number, b.number));
            return 1;
        default: lua_pushnumber(L, std::pow(a.number, b.number)); return 1;
    }
}

// arithmetic(operator, a, kind of a, b, kind of b)
int int64_arithmetic(lua_State* L) {
    const Operand a = operand_at(L, 2, 3);
    const Operand b = operand_at(L, 4, 5);
    return push_result(vm_of(L), L, *lua_tostring(L, 1), a, b);
}

// compare(a, kind of a, b, kind of b): -1, 0, 1; nil when one is nan.
int int64_compare(lua_State* L) {
    const Operand a = operand_at(L, 1, 2);
    const Operand b = operand_at(L, 3, 4);
    if (std::isnan(a.number) || std::isnan(b.number)) return 0;
    // A fraction is below 2^53, an infinity beyond all: there the nearest doubles decide.
    const bool whole = a.is_whole && b.is_whole;
    const bool less = whole ? a.whole < b.whole : a.number < b.number;
    const bool more = whole ? a.whole > b.whole : a.number > b.number;
    lua_pushnumber(L, less ? -1 : more ? 1 : 0);
    return 1;
}

}  // namespace

void push_number(LuaVmState& vm, lua_State* L, const char* p, const char* end) {
    const char* at = p;
    const bool negative = at < end && *at == '-';
    if (negative) ++at;
    std::uint64_t value = 0;
    const char* digits = at;
    while (at < end && *at >= '0' && *at <= '9' && at - digits < 19) {
        value = value * 10 + static_cast<std::uint64_t>(*at - '0');
        ++at;
    }
    const bool ends =
        at >= end || (*at != '.' && *at != 'e' && *at != 'E' && (*at < '0' || *at > '9'));
    if (ends && value <= static_cast<std::uint64_t>(kExactIntegerMax)) [[likely]] {
        const double number = static_cast<double>(value);
        lua_pushnumber(L, negative ? -number : number);
        return;
    }
    push_long_number(vm, L, p, end);
}

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

bool append_int64(LuaVmState& vm, lua_State* L, int index, std::string& out) {
    if (index < 0) index = lua_gettop(L) + index + 1;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm.int64_text);
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    const bool is_int64 = lua_type(L, -1) == LUA_TSTRING;
    if (is_int64) out += string_at(L, -1);
    lua_pop(L, 1);
    return is_int64;
}

void set_int64_natives(LuaVmState& vm, lua_State* L) {
    const LuaFunction functions[] = {{"int64_arithmetic", int64_arithmetic},
                                     {"int64_compare", int64_compare}};
    set_functions(vm, L, functions);
}

}  // namespace millrace::runtime
