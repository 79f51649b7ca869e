// What: `millrace help TOPIC`: the pages that are built into the program, for those who have
//       nothing else at hand.
// Threads: one. Lifetime: constants. Limits: none.
// Failure: exit code 2 for a topic that there is not, with the nearest one.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

struct HelpPage {
    std::string_view topic;
    std::string_view text;  // Markdown
};
std::span<const HelpPage> help_pages();

// `arguments` behind "help".
int help_command(const std::vector<std::string>& arguments);

}  // namespace millrace::tools
