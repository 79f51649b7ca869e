// What: a hook: a script that is asked before a change of an entity, or told of it afterwards. One
//       that is told has a subscription of its own to the entity's events, which comes and goes
//       with it.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kHooksMax of a tenant.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/entity/names.h"
#include "runtime/registry/registry_types.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

using HookNumber = core::StrongInt<struct HookNumberTag, std::uint32_t>;

inline constexpr std::size_t kHooksMax = 1'000;
inline constexpr std::int64_t kHookOrderMax = 1'000'000;

struct Hook {
    HookNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    std::string entity;  // the type
    HookPoint on;
    std::string script_id;
    ScriptNumber script;
    std::int64_t order = 0;  // lower ones first
    bool active = true;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;

    bool told() const { return on.time == HookTime::kAfter; }
};

// The subscription of one that is told.
inline constexpr std::string_view kHookSubscriptionPrefix = "hook:";
std::string hook_subscription_id(std::string_view hook_id);
std::string hook_subscription_body(const Hook& hook);

}  // namespace millrace::runtime
