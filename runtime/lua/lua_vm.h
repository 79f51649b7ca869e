// What: one Lua state: the scripts of one tenant on one lane. Compiles scripts, runs them over a
//       lazy view of the event, collects what they want done. Scripts can't see each other's
//       globals, the machine, or anything that LuaHost does not show them.
// Threads: one at a time, the lane's. check_lua_syntax() from any.
// Lifetime: the host passed to invoke outlives that call; the slot outlives the VM.
// Limits: memory by its allocator, time by the watchdog's slot, output by lua_limits.h.
// Failure: compile returns an Error with the line; invoke tells by InvocationResult::status. After
//       kTimeout or kMemory the VM is poisoned(): throw it away and make a new one.
#pragma once

#include "core/result.h"
#include "runtime/delivery/script_limits.h"
#include "runtime/delivery/script_types.h"
#include "runtime/lua/lua_watchdog.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::runtime {

struct ScriptHandle {
    std::uint32_t index = 0;
};

struct ScriptOptions {
    LuaPermission permissions = LuaPermission::kAll;
    std::uint32_t timeout_ms = kLuaTimeoutMsDefault;
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

    const InvocationResult& invoke(ScriptHandle handle, const EventInput& input,
                                   const InvocationContext& context, LuaHost& host);

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
