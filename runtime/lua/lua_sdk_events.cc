// sdk.events: the current event, and events that the run emits.
#include "core/json_plain.h"
#include "core/json_walker.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/event/own_events.h"
#include "runtime/lua/lua_vm_state.h"

#include <cmath>

namespace millrace::runtime {
namespace {

constexpr std::size_t kLuaSubscriptionsPerRunMax = 16;

int events_current(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    push_event(vm, L);
    return 1;
}

// As ingest reads it: bytes that a pattern may not hold make a path or a list unreadable.
void check_pattern(lua_State* L, std::string_view pattern) {
    if (pattern.empty()) luaL_error(L, "emit: the pattern is empty");
    if (pattern.size() > core::kPatternBytesMax) {
        luaL_error(L, "emit: the pattern has %d bytes, the limit is %d",
                   static_cast<int>(pattern.size()), static_cast<int>(core::kPatternBytesMax));
    }
    if (core::is_plain_json(pattern) && pattern.find('\x7f') == std::string_view::npos) [[likely]]
        return;
    for (const char c : pattern) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            luaL_error(L, "emit: the pattern holds a control character");
    }
    if (!simdjson::validate_utf8(pattern.data(), pattern.size())) {
        luaL_error(L, "emit: the pattern is not valid UTF-8");
    }
}

void check_budget(LuaVmState& vm, lua_State* L) {
    if (vm.effects.emitted.size() >= kLuaEmitsPerRunMax) {
        luaL_error(L, "emit: more than %d events in one run", static_cast<int>(kLuaEmitsPerRunMax));
    }
    if (vm.context->causation_depth + 1 > core::kCausationDepthMax) {
        luaL_error(L, "emit: this event is the end of a chain of %d causes; a loop is cut here",
                   static_cast<int>(core::kCausationDepthMax));
    }
}

// The payload stands one level deep in the event.
constexpr int kPayloadDepthMax = static_cast<int>(core::kJsonDepthMax) - 1;
constexpr int kContextDepthMax = static_cast<int>(core::kJsonDepthMax) - 2;

std::string_view keep_payload(LuaVmState& vm, lua_State* L) {
    vm.text.clear();
    if (lua_isnoneornil(L, 2)) {
        vm.text = "{}";
    } else {
        encode_json(
            vm, L, 2,
            {EncodeMode::kStrict, core::kEventBytesMax, "emit: the payload", kPayloadDepthMax},
            vm.text);
    }
    if (vm.text.front() != '{') luaL_error(L, "emit: the payload must be an object");
    if (vm.effects.emit_bytes + vm.text.size() > kLuaEmitBytesPerRunMax) {
        luaL_error(L, "emit: more than %d bytes of payload in one run",
                   static_cast<int>(kLuaEmitBytesPerRunMax));
    }
    return keep_text(vm, L, vm.text);
}

// A text member of the options at index 3.
std::string_view option_text(LuaVmState& vm, lua_State* L, const char* name,
                             std::size_t bytes_max) {
    lua_getfield(L, 3, name);
    std::string_view kept;
    if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "emit: option %s must be a string", name);
        const std::string_view text = string_at(L, -1);
        if (text.size() > bytes_max || !simdjson::validate_utf8(text.data(), text.size())) {
            luaL_error(L, "emit: option %s must be UTF-8 text of at most %d bytes", name,
                       static_cast<int>(bytes_max));
        }
        kept = keep_text(vm, L, text);
    }
    lua_pop(L, 1);
    return kept;
}

std::int64_t option_time(lua_State* L, const char* name) {
    lua_getfield(L, 3, name);
    std::int64_t us = 0;
    if (lua_type(L, -1) == LUA_TNUMBER) {
        const double seconds = lua_tonumber(L, -1);
        if (!(seconds > 0 && seconds < 253402300800.0))
            luaL_error(L, "emit: option %s is no time", name);
        us = static_cast<std::int64_t>(std::llround(seconds * 1e6));
    } else if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TSTRING || !core::parse_timestamp(string_at(L, -1), us)) {
            luaL_error(L, "emit: option %s must be seconds or RFC 3339 text", name);
        }
    }
    lua_pop(L, 1);
    return us;
}

std::int32_t option_priority(lua_State* L) {
    lua_getfield(L, 3, "priority");
    std::int32_t priority = 0;
    if (!lua_isnil(L, -1)) {
        const double asked = luaL_checknumber(L, -1);
        if (asked != std::floor(asked) || std::abs(asked) > 2147483647.0)
            luaL_error(L, "emit: option priority must be an integer of 32 bits");
        priority = static_cast<std::int32_t>(asked);
    }
    lua_pop(L, 1);
    return priority;
}

void read_options(LuaVmState& vm, lua_State* L, EmittedEvent& event) {
    if (lua_isnoneornil(L, 3)) return;
    luaL_checktype(L, 3, LUA_TTABLE);
    check_options(
        L, 3, "emit",
        {"partitionKey", "version", "correlationId", "scheduledAt", "priority", "context"});
    event.partition_key = option_text(vm, L, "partitionKey", core::kPartitionKeyBytesMax);
    event.version = option_text(vm, L, "version", 64);
    event.correlation_id = option_text(vm, L, "correlationId", core::kEventIdBytesMax);
    event.scheduled_at_us = option_time(L, "scheduledAt");
    event.priority = option_priority(L);
    lua_getfield(L, 3, "context");
    if (!lua_isnil(L, -1)) {
        vm.text.clear();
        encode_json(vm, L, lua_gettop(L),
                    {EncodeMode::kStrict, 4096, "emit: option context", kContextDepthMax}, vm.text);
        if (vm.text.front() != '{') luaL_error(L, "emit: option context must be an object");
        event.context_json = keep_text(vm, L, vm.text);
    }
    lua_pop(L, 1);
}

// Whether the parser of ingest takes the event in vm.text; else vm.text2 says why not.
bool ingest_takes(LuaVmState& vm) {
    if (!vm.event_parser) vm.event_parser = std::make_unique<core::EventParser>();
    vm.decode_text.assign(vm.text);
    vm.decode_text.append(core::kWalkerPaddingBytes, ' ');
    core::Envelope envelope;
    const core::Status status = vm.event_parser->parse_one(
        std::string_view(vm.decode_text).substr(0, vm.text.size()), nullptr, envelope, nullptr);
    if (!status) vm.text2 = status.error().message;
    return status.has_value();
}

// Nothing refuses an event behind this: what is wrong with it is said to the handler here. Its
// parts were checked one by one as ingest does, but for a context of the handler's own; debug
// builds ask ingest's parser each time.
void check_finished(LuaVmState& vm, lua_State* L, const EmittedEvent& event) {
    const std::size_t bytes = vm.text.size();
    if (bytes > vm.context->event_bytes_max) {
        luaL_error(L, "emit: the event has %d bytes with its envelope, the limit is %d",
                   static_cast<int>(bytes), static_cast<int>(vm.context->event_bytes_max));
    }
    if (vm.effects.emit_envelope_bytes + bytes > kLuaEmitEnvelopeBytesPerRunMax) {
        luaL_error(L, "emit: more than %d bytes of events in one run",
                   static_cast<int>(kLuaEmitEnvelopeBytesPerRunMax));
    }
#ifdef NDEBUG
    const bool asks = !event.context_json.empty();
#else
    const bool asks = true;
    (void)event;
#endif
    if (asks && !ingest_takes(vm)) luaL_error(L, "emit: %s", vm.text2.c_str());
    if (!vm.host->takes_event(event.pattern, vm.text, vm.text2))
        luaL_error(L, "emit: %s", vm.text2.c_str());
}

// Writes the finished event to vm.text.
void write_envelope(LuaVmState& vm, const EmittedEvent& event, const EmitCause& cause) {
    vm.text.clear();
    append_emitted_envelope(vm.text, event, cause);
}

// What the host left open is filled in.
EmitCause cause_of_run(LuaVmState& vm) {
    EmitCause cause = vm.host->emit_cause();
    if (cause.event_id.empty()) {
        cause.event_id = vm.context->cause_id.empty()
                             ? envelope_text(vm, vm.input->event_id, "eventId")
                             : vm.context->cause_id;
    }
    if (cause.key == CauseKey{}) cause.key = cause_key({}, {}, cause.event_id);
    if (cause.source_id.empty()) cause.source_id = vm.context->script_id;
    if (cause.source_id.empty()) cause.source_id = "script";
    if (cause.now_us == 0) cause.now_us = vm.host->wall_us();
    return cause;
}

int events_emit(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    require_permission(vm, L, Permission::kEmit, "emit");
    const std::string_view pattern = check_string(L, 1);
    check_pattern(L, pattern);
    if (is_own_event(pattern)) luaL_error(L, "emit: pattern %s", kOwnEventsText.data());
    check_budget(vm, L);
    EmittedEvent event;
    event.payload = keep_payload(vm, L);
    read_options(vm, L, event);
    event.pattern = keep_text(vm, L, pattern);
    event.causation_depth = vm.context->causation_depth + 1;
    const EmitCause cause = cause_of_run(vm);
    const DerivedEventId id =
        derive_event_id(cause.key, vm.context->subscription_number,
                        static_cast<std::uint32_t>(vm.effects.emitted.size()));
    event.event_id = keep_text(vm, L, id.view());
    write_envelope(vm, event, cause);
    check_finished(vm, L, event);
    vm.text += '\n';
    event.envelope = keep_text(vm, L, vm.text);
    vm.effects.emit_bytes += event.payload.size();
    vm.effects.emit_envelope_bytes += event.envelope.size();
    vm.effects.emitted.push_back(event);
    push_string(L, id.view());
    return 1;
}

// The script gets events of that pattern from now on. Takes effect when the call has gone well;
// what no subscription can be makes it fail.
int events_subscribe(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    if (!vm.context->may_subscribe)
        return luaL_error(L, "sdk.events.subscribe: only endpoint scripts can wait for events");
    if (vm.effects.subscriptions.size() >= kLuaSubscriptionsPerRunMax) {
        return luaL_error(L, "sdk.events.subscribe: more than %d in one run",
                          static_cast<int>(kLuaSubscriptionsPerRunMax));
    }
    const std::string_view pattern = check_string(L, 1);
    check_pattern(L, pattern);
    vm.text.clear();
    const bool table = !lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TSTRING;
    if (table) {
        encode_json(vm, L, 2, {EncodeMode::kStrict, kLuaKvValueBytesMax, "subscribe: the filter"},
                    vm.text);
    }
    vm.text2 = "{\"pattern\":";
    core::append_json_string(vm.text2, pattern);
    if (table) {
        vm.text2.append(",\"filters\":").append(vm.text == "[]" ? "{}" : vm.text);
    } else if (lua_type(L, 2) == LUA_TSTRING) {
        vm.text2 += ",\"filter\":";
        core::append_json_string(vm.text2, string_at(L, 2));
    }
    vm.text2 += '}';
    vm.effects.subscriptions.push_back(keep_text(vm, L, vm.text2));
    return 0;
}

}  // namespace

void push_sdk_events(LuaVmState& vm, lua_State* L) {
    lua_newtable(L);
    const LuaFunction functions[] = {{"current", events_current},
                                     {"emit", events_emit},
                                     {"publish", events_emit},
                                     {"subscribe", events_subscribe}};
    set_functions(vm, L, functions);
}

int sdk_secret(lua_State* L) {
    LuaVmState& vm = vm_of(L);
    require_run(vm, L);
    require_permission(vm, L, Permission::kSecrets, "secrets");
    vm.text.clear();
    if (vm.host->secret(check_string(L, 1), vm.text)) {
        push_string(L, vm.text);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

}  // namespace millrace::runtime
