// What: whoever asks a script what it says of an event: the last of a schema's rules. Declared
//       here, by its user; scripts are above.
// Threads: one owner. Lifetime: outlives its user.
// Limits: kRuleTimeoutMs a run, which ends at the watchdog's next look; the state's memory.
// Failure: what goes wrong in a run is why the event is refused.
#pragma once

#include "core/ids.h"
#include "runtime/schema/contract.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

// It runs where events are taken in: whoever waits for it is everybody.
inline constexpr std::uint32_t kRuleTimeoutMs = 10;

struct RuleEvent {
    std::string_view text;
    core::TenantId tenant;
    std::int64_t received_at_us = 0;
};

class RuleRunner {
public:
    virtual ~RuleRunner() = default;
    // Why the script refuses the event; none: it does not, or it is disabled.
    virtual std::optional<std::string> refuse(const schema::SchemaRule& rule,
                                              const RuleEvent& event) = 0;
};

// `number`: of the rule, in its list.
inline schema::Failure script_failure(const schema::SchemaRule& rule, std::size_t number,
                                      std::string&& why) {
    return {"", "script", "rules/" + std::to_string(number),
            rule.message.empty() ? std::move(why) : rule.message + " (" + why + ")"};
}

}  // namespace millrace::runtime
