#include "runtime/executors/script_cache.h"

#include "runtime/lua/lua_allocator.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

void ScriptCache::drop(std::size_t index) {
    LuaVm* vm = states_[index].vm.get();
    if (on_drop_) on_drop_(vm);
    for (Entry& entry : entries_) {
        if (entry.compiled.vm == vm) entry = {};
    }
    states_.erase(states_.begin() + static_cast<std::ptrdiff_t>(index));
}

// Runs that wait end with their state: all that they have done is done again.
std::size_t ScriptCache::least_needed() const {
    const auto idle =
        std::ranges::find_if(states_, [](const State& state) { return state.vm->waiting() == 0; });
    return idle == states_.end() ? 0 : static_cast<std::size_t>(idle - states_.begin());
}

core::Result<LuaVm*> ScriptCache::state_for(const Script& script) {
    for (State& state : states_) {
        if (state.tenant == script.tenant && state.memory_bytes == script.memory_bytes)
            return state.vm.get();
    }
    const bool crowded = LuaAllocator::share_is_short() && !states_.empty();
    if (crowded || states_.size() == kStatesMax) drop(least_needed());
    LuaVm::Options options;
    options.memory_bytes_max = static_cast<std::size_t>(script.memory_bytes);
    options.watchdog_slot = slot_;
    options.seed = seed_;
    auto vm = LuaVm::create(options);
    if (!vm) return core::fail(std::move(vm.error()));
    states_.push_back({script.tenant, script.memory_bytes, std::move(*vm)});
    return states_.back().vm.get();
}

core::Result<ScriptCache::Compiled> ScriptCache::get(const Script& script) {
    const std::size_t number = script.number.value;
    if (number >= entries_.size()) entries_.resize(number + 1);
    Entry& entry = entries_[number];
    if (entry.compiled.vm && entry.version == script.version) return entry.compiled;
    if (entry.compiled.vm) {
        entry.compiled.vm->remove(entry.compiled.handle);
        entry = {};
    }
    auto vm = state_for(script);
    if (!vm) return core::fail(std::move(vm.error()));
    ScriptOptions options;
    options.permissions = script.permissions;
    options.timeout_ms = static_cast<std::uint32_t>(script.timeout_ms);
    auto handle = (*vm)->compile(script.source, script.name, options);
    if (!handle) return core::fail(std::move(handle.error()));
    entries_[number] = {{*vm, *handle}, script.version};
    return entries_[number].compiled;
}

bool ScriptCache::discard_if_poisoned(LuaVm* vm) {
    if (!vm->poisoned()) [[likely]]
        return false;
    const auto at = std::find_if(states_.begin(), states_.end(),
                                 [vm](const State& s) { return s.vm.get() == vm; });
    if (at == states_.end()) return false;
    ++discarded_;
    drop(static_cast<std::size_t>(at - states_.begin()));
    return true;
}

}  // namespace millrace::runtime
