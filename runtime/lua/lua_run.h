// What: one run of a script: what it was given, what it looked at, what it wants done. A state has
//       one run that goes on and any number that wait; a run that waits is a coroutine with its
//       LuaRun put aside. Going on with it is a swap, so a run that never waits pays nothing.
// Threads: the VM's. Lifetime: input and context, and what they point to, outlive the run.
// Limits: script_limits.h, one budget a run. Failure: none here.
#pragma once

#include "runtime/delivery/script_host.h"
#include "runtime/delivery/script_types.h"
#include "runtime/lua/lua_effects.h"
#include "runtime/lua/lua_json_tree.h"
#include "runtime/lua/lua_vm.h"

#include <lua.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {

// Calls of one run, and the bytes of a body, either way.
inline constexpr std::uint32_t kLuaHttpCallsPerRunMax = 20;
inline constexpr std::size_t kLuaHttpBodyBytesMax = 1u << 20;

struct LuaScript {
    int environment = LUA_NOREF;
    int chunk = LUA_NOREF;
    int handler = LUA_NOREF;       // once the chunk returned a function
    int parameters = 2;            // of the handler: what it does not take is not made
    std::uint8_t permissions = 0;  // bits of Permission
    std::uint32_t timeout_ms = 0;
    bool waits = false;  // a run of it has asked to wait: its runs are coroutines
    bool alive = false;
};

// A value of kv as a run that may wait has read it: what others do meanwhile is told by it.
struct KvSeen {
    KvSpace space = KvSpace::kKv;
    std::string key;
    std::uint64_t value_hash = 0;  // 0: there was none
};
inline constexpr std::size_t kKvSeenMax = 4'096;

// The verdict of ctx.fail: it stands, also when the script catches the error.
enum class LuaVerdict : std::uint8_t { kNone, kFail, kSilent, kFatal };

// What sdk.sleep and the like do in this run.
enum class LuaWaiting : std::uint8_t {
    kAtOnce,   // nothing is waited for: a look at what a run would do
    kAsks,     // the run is stopped, and made again as a coroutine
    kAllowed,  // it is one
};

struct LuaRun {
    const EventInput* input = nullptr;
    const InvocationContext* context = nullptr;
    const LuaScript* script = nullptr;
    LuaHost* host = nullptr;
    WorkflowTurn* workflow = nullptr;
    std::uint32_t generation = 0;
    LuaVerdict verdict = LuaVerdict::kNone;
    std::int64_t started_at_us = 0;  // 0: taken when ctx.deadline is first read
    std::uint32_t timeout_ms = 0;
    bool root_is_event = false;
    JsonTree tree;
    std::uint32_t views_used = 0;  // pooled ones; beyond kPooledViews they are made new
    // Of what is not in the event's text or stands there as a whole, once touched.
    std::uint32_t payload_node = JsonTree::kNone;
    std::uint32_t source_node = JsonTree::kNone;
    std::uint32_t event_data_node = JsonTree::kNone;
    std::uint32_t request_user_node = JsonTree::kNone;
    std::uint32_t replay_node = JsonTree::kNone;
    int data_reference = LUA_NOREF;  // of ctx.eventData where the handler may change it
    LuaEffects effects;
    std::string envelope_scratch;
    std::string error_text;

    LuaWaiting waiting = LuaWaiting::kAtOnce;
    bool asked_to_wait = false;
    LuaWait wait;  // what it waits for
    std::vector<courier::HttpCall> http_calls;
    std::vector<courier::HttpAnswer> http_answers;
    std::uint32_t http_calls_made = 0;
    OutsideAsk ask;
    std::optional<OutsideAnswer> reply;
    std::vector<KvSeen> kv_seen;
    lua_State* thread = nullptr;  // of a coroutine
    int thread_reference = LUA_NOREF;
    std::int64_t deadline_ns = 0;  // of a coroutine, its waits included
    LuaScript own_script;          // of one that has waited: the VM's may be another by then
};

}  // namespace millrace::runtime
