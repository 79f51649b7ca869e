// What: what asks scripts of schemas on the thread that looks run on (Services::run_aside).
// Threads: that one. Lifetime: of a look. Limits: rule_scripts.h. Failure: none.
#pragma once

#include "runtime/api/services.h"
#include "runtime/executors/rule_scripts.h"

#include <utility>

namespace millrace::runtime::api {

inline RuleScripts::Deps rule_scripts_of(Services& services, RegistrySnapshotRef registry) {
    RuleScripts::Deps deps;
    deps.add_slot = [slot = services.trial_slot()] { return slot; };
    deps.clock = &services.clock();
    deps.kv = &services.database().kv();
    deps.registry = [registry = std::move(registry)] { return registry; };
    deps.registry_version = [] { return std::uint64_t{1}; };  // as they were when it was asked
    return deps;
}

}  // namespace millrace::runtime::api
