// What: the workflows of a run of run_workflows(): random graphs of steps of all kinds, one that is
//       code, and the scripts that do something: each counts itself under `did:RUN:STEP`, or
//       `undid:RUN:STEP` where it makes up for one.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "core/random.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::sim {

inline constexpr std::size_t kGraphs = 3;  // "w0" and so on

// Ids and documents of scripts.
std::vector<std::string> workflow_scripts();
// A definition with this id; steps may begin runs of "child".
std::string random_workflow(core::Random& random, const std::string& id);
// One that begins nothing else.
std::string child_workflow();

}  // namespace millrace::sim
