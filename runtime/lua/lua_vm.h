// What: one Lua state: the scripts of one tenant on one lane. Compiles scripts, runs them over a
//       lazy view of the event, collects what they want done. Scripts can't see each other's
//       globals, the machine, or anything that LuaHost does not show them.
// Threads: one at a time, the lane's. check_lua_syntax() from any.
// Lifetime: the host of a run outlives the run, input and context do or are replaced by keep(); the
//       slot outlives the VM.
// Limits: memory by its allocator, time by the watchdog's slot, output by lua_limits.h.
// Failure: compile returns an Error with the line; invoke tells by InvocationResult::status. Where
//       a run had to be stopped the VM is poisoned(): throw it away and make a new one. Runs that
//       wait in it are lost without a fault of theirs: nothing of them has taken effect, so they
//       can be made again.
#pragma once

#include "core/result.h"
#include "runtime/courier/http_port.h"
#include "runtime/delivery/effects.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/delivery/script_limits.h"
#include "runtime/delivery/script_types.h"
#include "runtime/lua/lua_watchdog.h"
#include "runtime/registry/registry_types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::runtime {

struct ScriptHandle {
    std::uint32_t index = 0;
};

struct ScriptOptions {
    std::uint8_t permissions = kPermissionsAll;  // calls without the bit raise, and name it
    std::uint32_t timeout_ms = kLuaTimeoutMsDefault;
};

// What a run waits for.
struct LuaWait {
    enum class Kind : std::uint8_t { kNone, kSleep, kHttp, kAction };
    Kind kind = Kind::kNone;
    double ms = 0;  // kSleep
};

// A run has got this far: to its end, or to something that it waits for.
struct LuaTurn {
    bool ended = true;
    std::uint64_t run = 0;  // of one that waits: names it to resume() and drop()
    LuaWait wait;
    // Of one that has ended well: while it waited, others changed what it had read of kv and now
    // sets. It must not take effect; made again it sees what they did.
    bool kv_changed = false;
    std::vector<courier::HttpCall> calls;  // kHttp: they are to be made, all at once
    OutsideAsk ask;                        // kAction: without tenant and key
};

class LuaVmState;

class LuaVm {
public:
    struct Options {
        std::size_t memory_bytes_max = kLuaMemoryBytesDefault;
        LuaWatchdogSlot* watchdog_slot = nullptr;  // none: no deadline (tests, the simulator)
        std::uint64_t seed = 0;                    // of math.random
    };

    static core::Result<std::unique_ptr<LuaVm>> create(const Options& options);
    LuaVm(const LuaVm&) = delete;
    LuaVm& operator=(const LuaVm&) = delete;
    ~LuaVm();

    // `name` is what error texts call the script. The chunk itself first runs in the first invoke:
    // if it returns a function, that is the handler from then on; else it is run per event.
    core::Result<ScriptHandle> compile(std::string_view source, std::string_view name,
                                       const ScriptOptions& options);
    void remove(ScriptHandle handle);

    // A whole run. What it would wait for is there at once.
    const InvocationResult& invoke(ScriptHandle handle, const EventInput& input,
                                   const InvocationContext& context, LuaHost& host);

    // A run that may wait. Others may begin and end in the state while it does. Each turn has the
    // script's time for itself, all of them together with the waits have it too.
    LuaTurn start(ScriptHandle handle, const EventInput& input, const InvocationContext& context,
                  LuaHost& host);
    // It waits: from now on it reads these, which stand for the same as those before.
    void keep(std::uint64_t run, const EventInput& input, const InvocationContext& context,
              LuaHost& host);
    // `answers`: to the calls that it waited for, in their order; fewer where its time is over.
    // `reply`: to what it asked; none where its time is over.
    LuaTurn resume(std::uint64_t run, std::vector<courier::HttpAnswer>&& answers = {},
                   std::optional<OutsideAnswer>&& reply = std::nullopt);
    // Nobody is interested any more.
    void drop(std::uint64_t run);
    std::size_t waiting() const;
    // Of the run whose turn was the last one, once it has ended.
    const InvocationResult& result() const;

    // What the last run wants done, for the caller to keep; what it had there is used by the next
    // run. The views in the InvocationResult stay as they are.
    void swap_effects(AttemptEffects& effects);

    bool poisoned() const;
    std::size_t memory_bytes() const;

private:
    explicit LuaVm(std::unique_ptr<LuaVmState> state);
    std::unique_ptr<LuaVmState> state_;
};

// Parses only. The error has field "source", the line in its message and the byte offset of that
// line as its position.
core::Status check_lua_syntax(std::string_view source, std::string_view name);

// Empty when this build can stop compiled loops; else the warning to print at start-up: the JIT is
// off for handlers.
std::string_view lua_build_warning();

}  // namespace millrace::runtime
