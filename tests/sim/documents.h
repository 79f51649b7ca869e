// What: the scripts of a run and the documents that bring them to the server. What the model
//       expects of a delivery is written in these scripts.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace millrace::sim {

inline constexpr std::string_view kDerivedScript =
    "return function(e) sdk.kv.incr('derived:' .. e.payload.n) end";
inline constexpr std::string_view kAlertScript = "return function(e) sdk.kv.incr('alerts') end";
inline constexpr std::string_view kRunScript =
    "return function(e) sdk.kv.set('victim', {a = 1}) return sdk.kv.incr('runs') end";
inline constexpr std::string_view kSideScript =
    "return function(e) if e.payload.n % 7 == 0 then error('side') end sdk.kv.incr('side') end";

// `ordered`: the subscriptions keep a key's order across retries.
std::string count_script(bool ordered);
std::string script_document(std::string_view id, std::string_view source, std::string_view type);
std::string subscription_document(std::string_view id, std::string_view pattern, bool ordered);

}  // namespace millrace::sim
