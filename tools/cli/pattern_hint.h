// What: tells when a pattern looks like one of another system, whose signs mean nothing here.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "tools/cli/context.h"

#include <string>
#include <string_view>

namespace millrace::tools {

// What to say of it; empty: nothing.
std::string pattern_hint(std::string_view pattern);
void note_pattern(CliContext& context, std::string_view pattern);

}  // namespace millrace::tools
