// What: one run of a script that does nothing: what it would emit, write and call is told instead.
//       It reads kv through its caller; calls to the outside are answered from a list, in their
//       order, and what stands in no list is refused. Time and randomness are the case's own, so
//       that two runs of a case are the same.
// Threads: one. Lifetime: a value; borrows the slot and what the case points to.
// Limits: script_limits.h; the script's time.
// Failure: whatever goes wrong in the run is its outcome.
#pragma once

#include "core/result.h"
#include "runtime/courier/http_port.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/delivery/script_host.h"
#include "runtime/delivery/script_types.h"
#include "runtime/lua/lua_watchdog.h"
#include "runtime/registry/registry_types.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// What randomness begins with where nobody says it: a trial on a server and one in a file agree.
inline constexpr std::uint64_t kTrialSeed = 0x7219;

// What answers one call: of sdk.http (method and url), or of an action.
struct RecordedAnswer {
    std::string method, url;
    std::string action;
    courier::HttpAnswer http;
    OutsideAnswer outside;
};

struct TrialCase {
    const Script* script = nullptr;
    std::string event;  // the envelope; with `event_is_value` any JSON
    bool event_is_value = false;
    std::string event_id;  // where the envelope has none
    core::TenantId tenant;
    std::string subscription_id;
    std::uint64_t subscription_number = 0;
    std::int64_t now_us = 0;
    std::uint64_t seed = 0;
    std::vector<RecordedAnswer> answers;
    // What is there, as JSON; visits in the order of keys.
    std::function<KvAnswer(KvSpace, std::string_view key, std::string& value)> kv_get;
    std::function<KvAnswer(KvSpace, std::string_view prefix, LuaHost::KvVisitor&)> kv_list;
    std::function<bool(std::string_view name, std::string& value)> secret;
};

struct TrialKv {
    std::string_view op;  // set | delete | incr
    KvSpace space = KvSpace::kKv;
    std::string key;                           // namespace '\0' name
    std::optional<std::string> before, after;  // JSON; none: it is not there
};

struct TrialCall {
    std::string method, url, body;
    courier::HttpHeaders headers;
    std::string action, input;  // instead of those
    bool answered = false;      // from the list
    int status = 0;
};

struct TrialOutcome {
    std::string_view status;           // completed | failed | silent | fatal | timeout | memory
    std::string error, result, logs;   // logs: a JSON array, or empty
    std::string response;              // what an endpoint would answer: JSON
    std::vector<std::string> emitted;  // JSON objects
    std::vector<TrialKv> kv;
    std::vector<TrialCall> calls;
    std::vector<std::string> secrets;  // names of those that it has read
    std::vector<TrialKv> reads;        // keys that it has read of what was there; `before` alone
};

TrialOutcome try_script(const TrialCase& what, LuaWatchdogSlot* slot);

// Members of an object that is open: status, result, error, logs, emitted, kv, calls, reads,
// secrets.
void append_trial(std::string& json_object, const TrialOutcome& outcome);
// The names of the members in which two differ.
std::vector<std::string_view> trial_differences(const TrialOutcome& one, const TrialOutcome& other);

}  // namespace millrace::runtime
