// What: scripts by the name that a workflow's steps know them by, found in a snapshot: an id first,
//       else a name. The index is made anew when the registry has changed and somebody asks.
// Threads: one owner. Lifetime: holds on to the scripts of the snapshot that it was asked with.
// Limits: those of scripts. Failure: null for a name that nobody has.
#pragma once

#include "runtime/registry/registry_snapshot.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class ScriptNames {
public:
    ScriptRef find(const RegistrySnapshot& registry, core::TenantId tenant,
                   std::string_view name) {
        if (registry.version != version_) {
            version_ = registry.version;
            by_name_.clear();
            registry.scripts.for_each([&](const ScriptRef& script) {
                by_name_.emplace(std::pair(script->tenant.value, script->name), script);
            });
            registry.scripts.for_each([&](const ScriptRef& script) {
                by_name_[{script->tenant.value, script->id}] = script;
            });
        }
        const auto at = by_name_.find(std::pair(tenant.value, std::string(name)));
        return at == by_name_.end() ? nullptr : at->second;
    }

private:
    std::uint64_t version_ = UINT64_MAX;
    std::map<std::pair<std::uint32_t, std::string>, ScriptRef> by_name_;
};

}  // namespace millrace::runtime
