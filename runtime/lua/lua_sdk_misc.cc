// sdk.log, print, sdk.time, sdk.crypto.
#include "core/base64.h"
#include "core/crypto/digest.h"
#include "core/hex.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "core/utf8.h"
#include "runtime/lua/lua_vm_state.h"

#include <cmath>
#include <cstring>

namespace millrace::runtime {
namespace {

// Appends any value as text for a person: strings as they are, the rest as lenient JSON. False when
// it was cut.
bool append_readable(LuaVmState& vm, lua_State* L, int index, std::string& out) {
    if (lua_type(L, index) == LUA_TSTRING) {
        const std::string_view text = string_at(L, index);
        out += text.substr(0, kLuaLogLineBytesMax + 4);
        return text.size() <= kLuaLogLineBytesMax + 4;
    }
    return encode_json(vm, L, index, {EncodeMode::kLenient, kLuaLogLineBytesMax, "the log line"},
                       out);
}

// Valid UTF-8 of at most bytes_max bytes, in place. False when it was cut.
bool make_presentable(std::string& text, std::string& scratch, std::size_t bytes_max) {
    const bool whole = text.size() <= bytes_max;
    if (!whole) {
        text.resize(bytes_max);
        // A sequence that was cut apart goes as a whole.
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80)
            text.pop_back();
        if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.pop_back();
    }
    if (simdjson::validate_utf8(text.data(), text.size())) return whole;
    scratch.clear();
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t bytes = core::utf8_sequence_bytes(text, i);
        if (bytes == 0) {
            scratch += "\xEF\xBF\xBD";
            ++i;
        } else {
            scratch.append(text, i, bytes);
            i += bytes;
        }
    }
    text.swap(scratch);
    return whole;
}

int add_log(lua_State* L, LuaLogLevel level) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    if (is_played_again(vm)) return 0;
    if (vm.effects.logs.size() >= kLuaLogLinesPerRunMax) {
        ++vm.effects.logs_cut;
        return 0;
    }
    luaL_checkany(L, 1);
    LuaLogLine line;
    line.level = level;
    line.at_us = vm.host->wall_us();
    vm.text.clear();
    bool whole = append_readable(vm, L, 1, vm.text);
    whole &= make_presentable(vm.text, vm.text2, kLuaLogLineBytesMax);
    line.text = keep_text(vm, L, vm.text);
    if (!lua_isnoneornil(L, 2)) {
        vm.text.clear();
        whole &= encode_json(vm, L, 2,
                             {EncodeMode::kLenient, kLuaLogLineBytesMax, "the log line's fields"},
                             vm.text);
        line.fields_json = keep_text(vm, L, vm.text);
    }
    line.cut = !whole;
    vm.effects.logs_shortened += line.cut ? 1 : 0;
    vm.effects.logs.push_back(line);
    return 0;
}

int log_debug(lua_State* L) { return add_log(L, LuaLogLevel::kDebug); }
int log_info(lua_State* L) { return add_log(L, LuaLogLevel::kInfo); }
int log_warn(lua_State* L) { return add_log(L, LuaLogLevel::kWarn); }
int log_error(lua_State* L) { return add_log(L, LuaLogLevel::kError); }

constexpr char kRunTimeHint[] = "; wf.now() is the run's time";

// Seconds since 1970 with the microseconds as a fraction: exact in a double until the year 2255.
int time_now(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    require_step(vm, L, "sdk.time.now", kRunTimeHint);
    lua_pushnumber(L, static_cast<double>(vm.host->wall_us()) / 1e6);
    return 1;
}

int time_iso(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    std::int64_t us = 0;
    if (lua_isnoneornil(L, 1)) {
        require_step(vm, L, "sdk.time.iso", kRunTimeHint);
        us = vm.host->wall_us();
    } else {
        const double seconds = luaL_checknumber(L, 1);
        if (!(seconds >= -62167219200.0 && seconds < 253402300800.0)) {
            return luaL_error(L, "time.iso: outside of the years 0000 to 9999");
        }
        us = std::llround(seconds * 1e6);
    }
    char text[core::kTimestampBytesMax];
    lua_pushlstring(L, text, core::format_timestamp(us, text));
    return 1;
}

// Seconds since 1970, or nil and why.
int time_parse(lua_State* L) {
    std::int64_t us = 0;
    if (!core::parse_timestamp(check_string(L, 1), us)) {
        lua_pushnil(L);
        lua_pushliteral(L, "not RFC 3339, as in 2026-01-31T12:00:00Z");
        return 2;
    }
    lua_pushnumber(L, static_cast<double>(us) / 1e6);
    return 1;
}

void push_hex(lua_State* L, const std::uint8_t* bytes, std::size_t count, std::string& scratch) {
    scratch.clear();
    core::append_hex(scratch, {bytes, count});
    push_string(L, scratch);
}

int crypto_sha256(lua_State* L) {
    const auto digest = core::crypto::sha256(check_string(L, 1));
    push_hex(L, digest.data(), digest.size(), vm_of(L).text);
    return 1;
}

// hmac(key, text): SHA-256, as hex.
int crypto_hmac(lua_State* L) {
    const std::string_view algorithm =
        lua_isnoneornil(L, 3) ? std::string_view("sha256") : check_string(L, 3);
    if (algorithm != "sha256")
        return luaL_error(L, "crypto.hmac: the algorithm must be \"sha256\"");
    const auto digest = core::crypto::hmac_sha256(check_string(L, 1), check_string(L, 2));
    push_hex(L, digest.data(), digest.size(), vm_of(L).text);
    return 1;
}

int crypto_hex(lua_State* L) {
    const std::string_view text = check_string(L, 1);
    push_hex(L, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), vm_of(L).text);
    return 1;
}

int crypto_unhex(lua_State* L) {
    const std::string_view text = check_string(L, 1);
    std::string& out = vm_of(L).text;
    out.clear();
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = core::hex_digit(text[i]);
        const int low = i + 1 < text.size() ? core::hex_digit(text[i + 1]) : -1;
        if (high < 0 || low < 0) return luaL_error(L, "crypto.unhex: not hexadecimal");
        out += static_cast<char>(high * 16 + low);
    }
    push_string(L, out);
    return 1;
}

int crypto_base64(lua_State* L) {
    const std::string_view text = check_string(L, 1);
    std::string& out = vm_of(L).text;
    out.clear();
    core::append_base64(out, text);
    push_string(L, out);
    return 1;
}

// Both alphabets, padding or none.
int crypto_unbase64(lua_State* L) {
    const std::string_view text = check_string(L, 1);
    bool good = false;
    {
        auto bytes = core::decode_base64(text, core::Base64Form::kAnyAlphabet);
        good = bytes.has_value();
        if (good) vm_of(L).text = std::move(*bytes);
    }
    // luaL_error leaves by longjmp: nothing that owns memory may be alive.
    if (!good) return luaL_error(L, "crypto.unbase64: not base64");
    push_string(L, vm_of(L).text);
    return 1;
}

// Version 4 (RFC 9562) from the host's randomness.
int crypto_uuid(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    require_step(vm, L, "sdk.crypto.uuid", "; wf.uuid() is the same each time");
    std::uint8_t bytes[16];
    const std::uint64_t halves[2] = {vm.host->random(), vm.host->random()};
    std::memcpy(bytes, halves, sizeof bytes);
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
    char text[36];
    std::size_t at = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
        text[at++] = core::kHexDigits[bytes[i] >> 4];
        text[at++] = core::kHexDigits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, sizeof text);
    return 1;
}

}  // namespace

int sdk_print(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    const int count = lua_gettop(L);
    vm.text.clear();
    for (int i = 1; i <= count; ++i) {
        if (i > 1) vm.text += '\t';
        append_readable(vm, L, i, vm.text);
        if (vm.text.size() > kLuaLogLineBytesMax) break;
    }
    lua_settop(L, 0);
    push_string(L, vm.text);
    return add_log(L, LuaLogLevel::kInfo);
}

void push_sdk_log(LuaVmState& vm, lua_State* L) {
    lua_newtable(L);
    const LuaFunction functions[] = {
        {"debug", log_debug}, {"info", log_info}, {"warn", log_warn}, {"error", log_error}};
    set_functions(vm, L, functions);
}

void push_sdk_time(LuaVmState& vm, lua_State* L) {
    lua_newtable(L);
    const LuaFunction functions[] = {{"now", time_now}, {"iso", time_iso}, {"parse", time_parse}};
    set_functions(vm, L, functions);
}

void push_sdk_crypto(LuaVmState& vm, lua_State* L) {
    lua_newtable(L);
    const LuaFunction functions[] = {{"uuid", crypto_uuid},        {"sha256", crypto_sha256},
                                     {"hmac", crypto_hmac},        {"hex", crypto_hex},
                                     {"unhex", crypto_unhex},      {"base64", crypto_base64},
                                     {"unbase64", crypto_unbase64}};
    set_functions(vm, L, functions);
}

}  // namespace millrace::runtime
