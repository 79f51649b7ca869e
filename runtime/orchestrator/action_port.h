// What: named actions that are no workflow's own and no script (/v2/actions), as the orchestrator
//       needs them.
// Threads: call() the orchestrator's; `done` any, once.
// Lifetime: outlives the orchestrator. Limits: of what implements it.
// Failure: told as the result; Start::kUnknown: there is none of that name.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/attempt_result.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::runtime {

class ActionPort {
public:
    struct Ask {
        core::TenantId tenant;
        std::string_view name;
        std::string_view input_json;
        std::string_view key;  // the same over all attempts
        std::uint32_t attempt = 1;
        std::int64_t timeout_ms = 0;  // 0: its own
    };
    enum class Start : std::uint8_t { kUnknown, kBegun, kHeld };

    virtual ~ActionPort() = default;
    virtual Start call(const Ask& ask, std::function<void(AttemptResult&&)> done) = 0;
};

}  // namespace millrace::runtime
