#include "tools/help/help_command.h"

#include "core/nearest.h"

#include <iostream>

namespace millrace::tools {

int help_command(const std::vector<std::string>& arguments) {
    constexpr int kExitUsage = 2;
    std::vector<std::string_view> topics;
    for (const HelpPage& page : help_pages()) topics.push_back(page.topic);
    if (arguments.empty()) {
        std::cout << "millrace help TOPIC; topics:";
        for (const std::string_view topic : topics) std::cout << ' ' << topic;
        std::cout << "\nmillrace --help tells of the verbs, millrace VERB --help of one.\n";
        return 0;
    }
    if (arguments.size() > 1) {
        std::cerr << "error: one topic is expected; millrace help lists them\n";
        return kExitUsage;
    }
    for (const HelpPage& page : help_pages()) {
        if (page.topic != arguments.front()) continue;
        std::cout << page.text;
        return 0;
    }
    std::cerr << "error: no help is about \"" << arguments.front() << '"';
    if (const auto near = core::nearest_name(arguments.front(), topics); !near.empty())
        std::cerr << "; did you mean " << near << "?";
    std::cerr << " (millrace help lists the topics; of a command: millrace " << arguments.front()
              << " --help)\n";
    return kExitUsage;
}

}  // namespace millrace::tools
