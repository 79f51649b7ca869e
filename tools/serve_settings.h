// What: where a server's configuration comes from: a profile, a file, the environment, flags; the
//       later wins.
// Threads: main only. Lifetime: values. Limits: none.
// Failure: an Error that names key, value, bounds and source.
#pragma once

#include "core/config.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace millrace::tools {

struct ServeSources {
    std::string file;
    std::vector<std::string> values;  // of the flags that have a name of their own
    std::vector<std::string> settings;
};

void add_serve_sources(CLI::App& app, ServeSources& from);

core::Status read_serve_config(core::Config& config, const ServeSources& from,
                               std::vector<std::string>* warnings);

// Where the value of each of core::config_keys() is from: "default", "profile", the file's name,
// "environment" or "flag".
core::Result<std::vector<std::string>> origins_of(const ServeSources& from);

}  // namespace millrace::tools
