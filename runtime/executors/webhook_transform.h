// What: the script that reshapes what a webhook or a link sends (transformScriptId): it gets the
//       event, and returns {body, headers?}, or nil where nothing is to be sent. It only reshapes:
//       it may read kv and secrets; what it emits or writes, or would wait for, fails the attempt.
//       Its time and its randomness are the delivery's own, so that each attempt sends the same.
// Threads: one lane's. Lifetime: borrows the watchdog's slot.
// Limits: those of a script (script_limits.h), kWebhookHeadersMax headers.
// Failure: the attempt's, with an error that begins with kTransformFailed and says what it was.
#pragma once

#include "runtime/delivery/attempt_result.h"
#include "runtime/delivery/executor.h"
#include "runtime/delivery/script_host.h"
#include "runtime/delivery/script_types.h"
#include "runtime/executors/script_cache.h"
#include "runtime/registry/executor_specs.h"
#include "runtime/registry/registry_types.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kTransformFailed = "TRANSFORM_FAILED: ";
// What is kept as the result of a delivery of which nothing was sent.
inline constexpr std::string_view kSkippedJson = R"({"skipped":true})";

// What goes out instead of a form of the event.
struct Reshaped {
    bool skipped = false;
    std::string body;
    std::string_view content_type;  // unless a header says it
    NamedTexts headers;             // before those of the subscription
    std::string logs_json;          // what the script logged; a JSON array, or empty
};

// Of which delivery, for the how manieth time.
struct TransformInput {
    const Subscription* subscription = nullptr;  // null: of none
    const EventInput* event = nullptr;
    std::string_view pattern;
    std::string_view delivery_id;
    std::uint32_t attempt = 1;
};

class WebhookTransform {
public:
    WebhookTransform(LuaWatchdogSlot* slot, std::uint64_t seed) : scripts_(slot, seed) {}

    // False: `result` says why not.
    bool run(const Script& script, const TransformInput& input, LuaHost& host, Reshaped& out,
             AttemptResult& result);
    // The same without a look at what the script has returned: its JSON.
    bool returned(const Script& script, const TransformInput& input, LuaHost& host,
                  std::string& json, AttemptResult& result);

    // Which script a delivery is reshaped by.
    struct Choice {
        ScriptNumber number;
        std::string_view id;
    };
    // An attempt's: kPending: `out` is to be sent; else it has ended, or waits, as `result` says.
    Executor::Start reshape(const Choice& choice, const AttemptInput& attempt,
                            const TransformInput& input, Reshaped& out, AttemptResult& result);

private:
    ScriptCache scripts_;
};

// What a script returned, as JSON; an error names the member.
core::Result<Reshaped> read_reshaped(std::string_view result_json);

}  // namespace millrace::runtime
