// What: an action: something outside with a name (sms.send), that scripts and workflows call with
//       an input and whose answer they get: an HTTP call, or a command.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kActionsMax of a tenant; those of executor_specs.h.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/registry/executor_specs.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {

using ActionNumber = core::StrongInt<struct ActionNumberTag, std::uint32_t>;

inline constexpr std::size_t kActionsMax = 10'000;
inline constexpr std::size_t kActionBodyBytesMax = 64u << 10;

// Texts may hold {{input.x}} and {{secrets.x}}.
struct ActionHttp {
    std::string method = "POST";
    std::string url;
    NamedTexts headers;
    std::string body_json;  // a tree, in whose texts templates are filled; empty: the input
    std::string secret;     // "whsec_...": it is signed as a webhook; in no answer, log or audit
    std::int64_t timeout_ms = 15'000;
    double per_second_max = 0;
    std::uint32_t concurrency_max = 10;
};

struct Action {
    ActionNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;             // what it is called by
    std::string name;
    std::shared_ptr<const ActionHttp> http;  // one of the two
    std::shared_ptr<const CommandSpec> command;
    std::string executor;  // its JSON object as it is shown
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

}  // namespace millrace::runtime
