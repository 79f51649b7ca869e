// What: the inside of LuaVm, shared by the files that make up the SDK. Nobody else includes it.
// Threads: the VM's. Lifetime: the VM's; C functions reach it through their first upvalue.
// Limits: lua_limits.h.
// Failure: C functions raise Lua errors, so none of their frames holds anything with a destructor:
//       scratch texts are members here. No frame a Lua error passes through is noexcept.
#pragma once

#include "core/assert.h"
#include "core/event_parser.h"
#include "runtime/lua/lua_allocator.h"
#include "runtime/lua/lua_effects.h"
#include "runtime/lua/lua_json_tree.h"
#include "runtime/lua/lua_run.h"
#include "runtime/lua/lua_vm.h"

#include <lua.hpp>
#include <simdjson.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::runtime {

// Why a run is being stopped; LuaVmState::kill. Timeout is written by the watchdog's signal.
enum LuaKill : int { kKillNone = 0, kKillTimeout = 1, kKillMemory = 2 };

inline constexpr int kTracebackIndex = 1;  // of on_error, at the bottom of the stack for good

class LuaVmState;

// Member names of the event's envelope that the view knows, pinned so that a pointer tells them.
enum class PinnedName : std::uint8_t {
    kPayload,
    kEventId,
    kPattern,
    kVersion,
    kSource,
    kTimestamp,
    kTenantId,
    kReceivedAt,
    kCount,
};

// The userdata behind every lazy view.
struct LuaView {
    std::uint32_t generation;  // of the run it belongs to
    std::uint32_t node;
    LuaVmState* vm;
};

// Views are used again after this many others, so that reading makes no garbage. A view kept from
// an earlier run raises when it is touched, unless its box is in use by the run that touches it.
inline constexpr std::uint32_t kPooledViews = 256;

// How a list of kv entries is carried from the host to Lua: offsets into one scratch text.
struct KvListEntry {
    std::uint32_t key_begin = 0;
    std::uint32_t key_bytes = 0;
    std::uint32_t value_begin = 0;
    std::uint32_t value_bytes = 0;
};

// A key of a table whose keys are not all strings.
struct EncodedKey {
    std::string_view text;
    double number = 0;
    bool is_number = false;
};

// What decode_json() reads with (lua_json.cc); made when it is first needed.
struct JsonDecoder;
struct JsonDecoderDeleter {
    void operator()(JsonDecoder* decoder) const;
};

class LuaVmState : public LuaRun {
public:
    explicit LuaVmState(const LuaVm::Options& options)
        : allocator(options.memory_bytes_max),
          memory_bytes_max(options.memory_bytes_max),
          slot(options.watchdog_slot),
          seed(options.seed) {}
    LuaVmState(const LuaVmState&) = delete;
    LuaVmState& operator=(const LuaVmState&) = delete;
    ~LuaVmState() {
        if (L) lua_close(L);
        MR_DCHECK(allocator.large_bytes() == 0 || allocator.was_refused());
    }

    LuaAllocator allocator;
    const std::size_t memory_bytes_max;
    lua_State* L = nullptr;
    LuaWatchdogSlot* slot = nullptr;
    volatile int kill = kKillNone;
    std::uint64_t seed = 0;
    std::vector<LuaScript> scripts;

    // Registry references and identities made by the sandbox.
    int view_metatable = LUA_NOREF;
    int context_object = LUA_NOREF;
    int context_fail = LUA_NOREF;
    int context_abort = LUA_NOREF;
    int array_metatable = LUA_NOREF;
    int object_metatable = LUA_NOREF;
    int make_environment = LUA_NOREF;
    int int64_make = LUA_NOREF;
    int int64_text = LUA_NOREF;
    int function_parameters = LUA_NOREF;
    int workflow_parts = LUA_NOREF;  // what lua_workflow.cc is made of
    int workflow_drive = LUA_NOREF;  // once a workflow has run
    int await_mark = LUA_NOREF;      // what a coroutine of the script's own yields to wait
    const void* view_metatable_id = nullptr;
    const void* context_metatable_id = nullptr;
    const void* array_metatable_id = nullptr;
    const void* object_metatable_id = nullptr;
    const char* pinned[static_cast<std::size_t>(PinnedName::kCount)] = {};

    // The run that is going on is the LuaRun that this is. Those that wait:
    std::unordered_map<std::uint64_t, std::unique_ptr<LuaRun>> waiting_runs;
    std::uint64_t last_run = 0;
    std::uint32_t last_generation = 0;
    lua_State* spare_thread = nullptr;  // of a coroutine that has ended well
    int spare_thread_reference = LUA_NOREF;
    std::uint32_t views_next = 0;  // of the ring of pooled views
    int view_references[kPooledViews] = {};
    LuaView* views[kPooledViews] = {};

    // Scratch, one purpose each at a time.
    std::string text;  // encoders and SDK functions
    std::string text2;
    std::string text3;  // of those beneath the others: digits, a view that a log cuts
    std::string result_text;
    std::string decode_text;             // padded copy for the decoder
    std::vector<std::string_view> keys;  // a stack of object keys while encoding
    std::vector<EncodedKey> mixed_keys;  // likewise, of tables with other keys too
    KeptTexts key_texts;                 // of the numbers among them
    std::vector<KvListEntry> list;
    std::unique_ptr<JsonDecoder, JsonDecoderDeleter> decoder;
    std::unique_ptr<core::EventParser> event_parser;  // ingest's rules, for emit

    InvocationResult result;

    bool allowed(Permission permission) const {
        return script && (script->permissions & static_cast<std::uint8_t>(permission)) != 0;
    }
};

constexpr int kTypeInt64 = 10;  // LuaJIT's tag of a cdata, which only int64 helpers make here

// The VM of a C function that was registered with push_function.
inline LuaVmState& vm_of(lua_State* L) {
    return *static_cast<LuaVmState*>(lua_touserdata(L, lua_upvalueindex(1)));
}

inline std::string_view string_at(lua_State* L, int index) {
    std::size_t bytes = 0;
    const char* data = lua_tolstring(L, index, &bytes);
    return {data, bytes};
}
inline std::string_view check_string(lua_State* L, int index) {
    std::size_t bytes = 0;
    const char* data = luaL_checklstring(L, index, &bytes);
    return {data, bytes};
}
inline void push_string(lua_State* L, std::string_view text) {
    lua_pushlstring(L, text.data(), text.size());
}

struct LuaFunction {
    const char* name;
    lua_CFunction function;
};
// Sets closures over the VM into the table on top of the stack.
void set_functions(LuaVmState& vm, lua_State* L, const LuaFunction* functions, std::size_t count);
template <std::size_t N>
void set_functions(LuaVmState& vm, lua_State* L, const LuaFunction (&functions)[N]) {
    set_functions(vm, L, functions, N);
}

// Pushes where the author's own code stands that called, directly or not, what runs now, as
// "orders:12: "; "" where no line of it is left (a tail call).
const char* push_author_line(lua_State* L);

// A copy for what the run leaves behind.
std::string_view keep_text(LuaVmState& vm, lua_State* L, std::string_view text);

// Raises "permission 'x' is not granted to this script".
void require_permission(LuaVmState& vm, lua_State* L, Permission permission, const char* name);
// Raises outside of a run: from a function kept over the end of its run there is no way to get here
// but through the next run, so this is a guard, not a feature.
void require_run(LuaVmState& vm, lua_State* L);

// lua_run.cc
// What a function that waits ends with: the run goes on behind it later. Raises where there is no
// way to wait.
int wait_for(LuaVmState& vm, lua_State* L, const LuaWait& wait);
int sdk_sleep(lua_State* L);

// lua_workflow.cc
int open_workflow(lua_State* L);
// Pushes what a turn of a workflow calls; returns the number of arguments.
int push_workflow(LuaVmState& vm, lua_State* L, const LuaScript& script);
// Raises in a workflow outside of its steps: `call` would not answer the same the next time.
void require_step(LuaVmState& vm, lua_State* L, const char* call, const char* hint = "");
// What a workflow says here it has said before.
bool is_played_again(const LuaVmState& vm);

// lua_sdk_kv.cc
// Whether a key that the run has read and then set is another one now: it waited in between.
bool kv_has_changed(LuaVmState& vm);

// lua_error.cc
// The message handler: at the place of the error, before the stack unwinds.
int on_error(lua_State* L);
// Raises where too little of the thread's own stack is left: LuaJIT bounds Lua's stacks, not the
// frames of C functions that call back, nor coroutines inside one another. Each such function asks.
void require_stack(lua_State* L);
// The same as on_error for a coroutine that has died of the error on top of its stack.
void tell_error_of(LuaVmState& vm, lua_State* thread);

// lua_view.cc
// The pooled views that the run has used become its own.
void give_views_away(LuaVmState& vm);
void open_views(LuaVmState& vm, lua_State* L);
void push_event(LuaVmState& vm, lua_State* L);
// Scalars become Lua values, containers become views.
void push_json(LuaVmState& vm, lua_State* L, const char* begin, const char* end);
void push_json_string(LuaVmState& vm, lua_State* L, const char* inside, const char* end,
                      bool escaped);
// The same of a text that the run may ask for again and again: copied and looked through once,
// remembered by `node`. Empty: nil.
void push_json_once(LuaVmState& vm, lua_State* L, std::string_view json, std::uint32_t& node);
const LuaView* to_view(LuaVmState& vm, lua_State* L, int index);
// The raw JSON text behind a view, whole for an event with what was filled in. Raises when stale.
// A text member of the event's envelope: the known slice, else what the event's text says.
std::string_view envelope_text(LuaVmState& vm, std::string_view known, std::string_view name);
void append_view(LuaVmState& vm, lua_State* L, const LuaView& view, std::string& out);
bool view_is_array(LuaVmState& vm, const LuaView& view);
// No less than the levels of nesting in its text.
int view_depth_max(const LuaVmState& vm, const LuaView& view);
int view_pairs(lua_State* L);  // pairs() and ipairs() of what is no table
int view_ipairs(lua_State* L);

// lua_context.cc
void open_context(LuaVmState& vm, lua_State* L);
bool is_context(LuaVmState& vm, lua_State* L, int index);
void push_context_pairs(LuaVmState& vm, lua_State* L);

// lua_number.cc
void push_number(LuaVmState& vm, lua_State* L, const char* begin, const char* end);
void push_int64(LuaVmState& vm, lua_State* L, std::uint64_t bits, bool is_signed);
// The digits of a 64-bit integer; false when the cdata is none.
bool append_int64(LuaVmState& vm, lua_State* L, int index, std::string& out);
void append_lua_number(std::string& out, double value);
void set_int64_natives(LuaVmState& vm, lua_State* L);

// lua_json_encode.cc, lua_json.cc
enum class EncodeMode : std::uint8_t {
    kStrict,   // what JSON can't say raises
    kLenient,  // ...is replaced, and what is too long is cut: for logs
};
struct EncodeOptions {
    EncodeMode mode = EncodeMode::kStrict;
    std::size_t bytes_max = kLuaJsonBytesMax;
    const char* what = "value";  // for error texts
    int depth_max = kLuaJsonDepthMax;
};
// False when a lenient text was cut.
bool encode_json(LuaVmState& vm, lua_State* L, int index, const EncodeOptions& options,
                 std::string& out);
// Pushes plain tables. Raises on text that is not valid JSON.
void decode_json(LuaVmState& vm, lua_State* L, std::string_view json);

// Raises when the table at `index` has another key than those: an option nobody knows does nothing.
void check_options(lua_State* L, int index, const char* call,
                   std::initializer_list<std::string_view> names);

// Each pushes one table or sets fields into the table on top.
void open_string(LuaVmState& vm, lua_State* L);  // bounded find, match, gmatch, gsub
void push_sdk(LuaVmState& vm, lua_State* L);
void push_sdk_events(LuaVmState& vm, lua_State* L);
void push_sdk_json(LuaVmState& vm, lua_State* L);
void push_sdk_kv(LuaVmState& vm, lua_State* L, KvSpace space);
void push_sdk_log(LuaVmState& vm, lua_State* L);
void push_sdk_time(LuaVmState& vm, lua_State* L);
void push_sdk_crypto(LuaVmState& vm, lua_State* L);
void add_sdk_respond(LuaVmState& vm, lua_State* L);  // into sdk.http
// lua_sdk_http.cc: natives of the sandbox's Lua part.
int http_ask(lua_State* L);
int http_ask_all(lua_State* L);
int http_take(lua_State* L);
int http_take_all(lua_State* L);
// lua_sdk_actions.cc: likewise.
int action_ask(lua_State* L);
int action_take(lua_State* L);
int query_ask(lua_State* L);
int sdk_print(lua_State* L);
int sdk_secret(lua_State* L);

// lua_watchdog.cc: from here on every instruction raises, until the state is closed.
void arm_kill_hook(lua_State* L);

// lua_sandbox.cc: opens the libraries, keeps what is on the list, makes the registry references.
// Runs in protected mode.
int open_sandbox(lua_State* L);

}  // namespace millrace::runtime
