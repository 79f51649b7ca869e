// What: what people who come from elsewhere call verbs and options: `ls` for list, `rm` for remove,
//       `--since` for --from. Verbs are taken as they are meant, options are only suggested.
// Threads: pure. Lifetime: none. Limits: the tables in usual_words.cc.
// Failure: empty when nothing of that meaning is known.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

// The verb of this noun that is meant; empty: the noun has none of that meaning.
std::string usual_verb(const CLI::App& noun, std::string_view word);

// Of these names ("--from") the one that is meant.
std::string usual_option(std::string_view word, const std::vector<std::string>& names);

}  // namespace millrace::tools
