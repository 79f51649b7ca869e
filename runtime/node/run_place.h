// What: the partition of a run that somebody begins by the API, where a tenant's events live by
//       their keys: that of its id as a key. A run without one gets one here, so that whoever
//       asks for it, repeats it, or sends it events (partitionKey: the run's id) meets it.
// Threads: pure but for IdMaker, which has one owner. Lifetime: values. Limits: none.
// Failure: nothing for a body that says no id and is no object: whoever knows the words refuses it.
#pragma once

#include "runtime/node/entry_split.h"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

struct PlacedRun {
    std::string run_id;
    std::optional<std::string> body;  // as it goes on; nothing: as it came
};
std::optional<PlacedRun> place_run(std::string_view body, IdMaker& ids);

}  // namespace millrace::runtime::node
