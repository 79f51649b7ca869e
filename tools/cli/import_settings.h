// What: the older document's modules.json: which settings of ours its numbers are.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: what has no counterpart is told why.
#pragma once

#include "core/json_dom.h"

#include <string>
#include <vector>

namespace millrace::tools {

struct ImportedSetting {
    std::string name;     // "events.executors.webhook.maxConcurrency"
    std::string setting;  // as a line of our configuration; empty: nothing need be said
    std::string problem;  // why it can not be taken; empty: it can
};

// `events`: the object of that name.
std::vector<ImportedSetting> import_settings(core::JsonElement events);

}  // namespace millrace::tools
