#include "tools/cli/usual_words.h"

#include <algorithm>
#include <array>

namespace millrace::tools {

namespace {

// Groups of words that mean the same; of a noun the first one that it has is taken.
using Group = std::array<std::string_view, 8>;
constexpr Group kVerbs[] = {
    {"list", "ls"},
    {"show", "info", "get", "status", "describe", "inspect", "view"},
    {"remove", "revoke", "rm", "delete", "del"},
    {"create", "add", "register", "push", "enroll", "new", "send", "publish"},
    {"update", "edit", "change"},
    {"tail", "follow", "stream", "watch"},
    {"load", "import", "ingest"},
    {"export", "dump"},
    {"replay", "redrive"},
    {"enable", "resume", "activate", "unpause"},
    {"disable", "pause", "deactivate"},
};

constexpr std::array<std::string_view, 2> kOptions[] = {
    {"--since", "--from"},         {"--start", "--from"},   {"--after", "--from"},
    {"--until", "--to"},           {"--end", "--to"},       {"--before", "--to"},
    {"--source", "--source-id"},   {"--json", "--output"},  {"--format", "--output"},
    {"--url", "--server"},         {"--host", "--server"},  {"--force", "--yes"},
    {"--handler-id", "--handler"}, {"--type", "--pattern"}, {"--data", "--payload"},
    {"--body", "--payload"},       {"--count", "--limit"},  {"--key", "--api-key"},
    {"--token", "--api-key"},      {"--where", "--filter"}, {"--query", "--filter"},
};

}  // namespace

std::string usual_verb(const CLI::App& noun, std::string_view word) {
    if (word.empty()) return {};  // the groups are filled up with nothing
    const auto verbs = noun.get_subcommands([](const CLI::App*) { return true; });
    for (const Group& group : kVerbs) {
        if (std::find(group.begin(), group.end(), word) == group.end()) continue;
        for (const std::string_view meant : group) {
            if (meant.empty()) continue;
            for (const CLI::App* verb : verbs) {
                if (verb->check_name(std::string(meant))) return verb->get_name();
            }
        }
    }
    return {};
}

std::string usual_option(std::string_view word, const std::vector<std::string>& names) {
    for (const auto& [from, to] : kOptions) {
        if (from == word && std::find(names.begin(), names.end(), to) != names.end())
            return std::string(to);
    }
    return {};
}

}  // namespace millrace::tools
