// What: events as lines that can be loaded: without what a server stamps on them, which it refuses
//       from a client and stamps anew.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: a line that is no event stays as it is; the server says what is wrong with it.
#pragma once

#include "core/json_dom.h"

#include <string>
#include <string_view>

namespace millrace::tools {

// One line, numbers as they stand; empty when `event` is no object.
std::string loadable_line(core::JsonElement event);

// As `event export`, `event list -o json`, `event tail -o json` and `inspect --events` write them.
class EventLines {
public:
    // The line to send: `line` itself, or `changed`. False for the latter.
    bool as_it_stands(std::string_view line, std::string& changed);

private:
    core::JsonDom parser_;
};

}  // namespace millrace::tools
