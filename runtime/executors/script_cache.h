// What: one lane's Lua states and the scripts compiled into them. A state serves the scripts of one
//       tenant that ask for the same memory cap; a state that had to be stopped is thrown away with
//       everything compiled into it, and made again on the next use.
// Threads: one lane's. Lifetime: borrows the watchdog's slot.
// Limits: kStatesMax states, fewer where all states of the process take nearly what they may; the
//       least recently made goes first, of those in which no run waits while there are such.
// Failure: an Error when a script does not compile any more or no state can be made.
#pragma once

#include "core/result.h"
#include "runtime/lua/lua_vm.h"
#include "runtime/registry/registry_types.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::runtime {

class ScriptCache {
public:
    explicit ScriptCache(LuaWatchdogSlot* slot, std::uint64_t seed) : slot_(slot), seed_(seed) {}

    struct Compiled {
        LuaVm* vm = nullptr;
        ScriptHandle handle;
    };
    core::Result<Compiled> get(const Script& script);
    // What is there already; a null VM when get() has to make it. Asked for every delivery.
    Compiled find(const Script& script) const {
        const std::size_t number = script.number.value;
        if (number >= entries_.size() || entries_[number].version != script.version) return {};
        return entries_[number].compiled;
    }
    // Told of every state that goes, while it is still there.
    void on_drop(std::function<void(LuaVm*)> told) { on_drop_ = std::move(told); }
    // After a run: drops the state if the run left it unusable, and it is one of these.
    bool discard_if_poisoned(LuaVm* vm);
    std::uint64_t discarded() const { return discarded_; }

private:
    static constexpr std::size_t kStatesMax = 64;

    struct State {
        core::TenantId tenant;
        std::int64_t memory_bytes = 0;
        std::unique_ptr<LuaVm> vm;
    };
    struct Entry {
        Compiled compiled;  // a null VM: none
        std::uint32_t version = 0;
    };
    core::Result<LuaVm*> state_for(const Script& script);
    std::size_t least_needed() const;
    void drop(std::size_t index);

    LuaWatchdogSlot* const slot_;
    const std::uint64_t seed_;
    std::vector<State> states_;
    std::vector<Entry> entries_;  // by script number
    std::uint64_t discarded_ = 0;
    std::function<void(LuaVm*)> on_drop_;
};

}  // namespace millrace::runtime
