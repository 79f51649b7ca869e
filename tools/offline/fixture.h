// What: a test of a handler as a JSON file: the event, what kv held, what calls are answered with,
//       and what is expected of it. Runs it in this process, without a server.
// Threads: one. Lifetime: values. Limits: kFixtureBytesMax.
// Failure: errors that name the file and the member; what differs is told, not failed.
#pragma once

#include "core/result.h"
#include "runtime/executors/script_trial.h"
#include "runtime/lua/lua_watchdog.h"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::tools {

inline constexpr std::size_t kFixtureBytesMax = 16u << 20;

struct Fixture {
    std::string name;
    runtime::Script script;
    runtime::TrialCase what;
    // By space and `namespace '\0' name`.
    std::map<std::pair<runtime::KvSpace, std::string>, std::string> kv;
    std::map<std::string, std::string> secrets;
    std::string expected;  // a JSON object; each of its members is compared
};

core::Result<std::string> read_file(const std::string& path);
// `folder` is where the script's path begins.
core::Result<Fixture> read_fixture(std::string_view text, const std::string& folder);
runtime::TrialOutcome run_fixture(Fixture& fixture, runtime::LuaWatchdogSlot* slot);
// A line for each member that is not as expected; none: the test passes.
std::vector<std::string> compare_fixture(const Fixture& fixture,
                                         const runtime::TrialOutcome& outcome);
// The outcome as one JSON object.
std::string outcome_json(const runtime::TrialOutcome& outcome);

}  // namespace millrace::tools
