#include "tools/serve_settings.h"

#include <iterator>

extern char** environ;

namespace millrace::tools {

namespace {

// A value that nobody can type marks a flag that was not given: "" is one that can be.
constexpr const char* kNotGiven = "\n";

struct Flag {
    const char* flag;
    const char* key;
    const char* help;
};

// The flags that have a name of their own; every other key is reached by --set.
constexpr Flag kFlags[] = {
    {"--profile", "profile", "what everything else begins with: default, edge (small machines)"},
    {"--data", "data.dir", "folder of the log and everything else that is kept"},
    {"--listen", "http.listen", "HTTP, HOST:PORT; port 0 picks a free one"},
    {"--socket", "socket.listen", "NDJSON over TCP, HOST:PORT; empty: none"},
    {"--unix", "socket.unix", "NDJSON over a Unix socket, PATH"},
    {"--shards", "engine.shards", "shards; 0: one a core"},
    {"--lanes", "engine.lanes", "lanes that run handlers; 0: one a core"},
    {"--durability", "store.durability", "what an ack means: fsync, os, memory"},
};

core::Status apply_flags(core::Config& config, const ServeSources& from) {
    const auto& [file, values, settings] = from;
    for (std::size_t i = 0; i < std::size(kFlags); ++i) {
        if (values[i] == kNotGiven) continue;
        if (auto set = core::set_config_value(config, kFlags[i].key, values[i], kFlags[i].flag);
            !set)
            return set;
    }
    for (const std::string& setting : settings) {
        const std::size_t equals = setting.find('=');
        if (equals == std::string::npos) {
            return core::fail(core::ErrorCode::kValidation,
                              "--set " + setting + ": expected key=value");
        }
        auto set = core::set_config_value(config, setting.substr(0, equals),
                                          setting.substr(equals + 1), "--set");
        if (!set) return set;
    }
    return {};
}

}  // namespace

void add_serve_sources(CLI::App& app, ServeSources& from) {
    from.values.assign(std::size(kFlags), kNotGiven);
    app.add_option("--config", from.file, "TOML file; see --print-config");
    for (std::size_t i = 0; i < std::size(kFlags); ++i)
        app.add_option(kFlags[i].flag, from.values[i], kFlags[i].help);
    app.add_option("--set", from.settings, "key=value, any key of the configuration; repeatable")
        ->allow_extra_args(false);
}

namespace {

core::Status apply_sources(core::Config& config, const ServeSources& from,
                           std::vector<std::string>* warnings) {
    if (!from.file.empty()) {
        if (auto read = core::apply_config_file(config, from.file); !read) return read;
    }
    if (auto read = core::apply_config_environment(config, environ, warnings); !read) return read;
    return apply_flags(config, from);
}

// What the profile begins with that the sources name.
core::Result<core::Config> beginning(const ServeSources& from) {
    core::Config told;
    if (auto read = apply_sources(told, from, nullptr); !read)
        return core::fail(std::move(read.error()));
    core::Config out;
    out.profile = told.profile;
    core::use_profile(out);
    return out;
}

}  // namespace

core::Status read_serve_config(core::Config& config, const ServeSources& from,
                               std::vector<std::string>* warnings) {
    auto begin = beginning(from);
    if (!begin) return core::fail(std::move(begin.error()));
    config = std::move(*begin);
    if (auto read = apply_sources(config, from, warnings); !read) return read;
    return core::check_config(config);
}

core::Result<std::vector<std::string>> origins_of(const ServeSources& from) {
    const auto keys = core::config_keys();
    std::vector<std::string> origins(keys.size(), "default");
    core::Config config;
    auto begin = beginning(from);
    if (!begin) return core::fail(begin.error());
    // What a source has changed is its own; one that says what was so already changes nothing.
    const auto note = [&](const core::Config& before, const std::string& origin) {
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (core::config_value_text(before, keys[i]) !=
                core::config_value_text(config, keys[i]))
                origins[i] = origin;
        }
    };
    core::Config before = config;
    config = *begin;
    note(before, "profile");
    // Who said so of the profile itself is told by the sources below.
    config.profile = before.profile;
    before = config;
    if (!from.file.empty()) {
        if (auto read = core::apply_config_file(config, from.file); !read)
            return core::fail(read.error());
        note(before, from.file);
    }
    before = config;
    if (auto read = core::apply_config_environment(config, environ, nullptr); !read)
        return core::fail(read.error());
    note(before, "environment");
    before = config;
    if (auto read = apply_flags(config, from); !read) return core::fail(read.error());
    note(before, "flag");
    return origins;
}

}  // namespace millrace::tools
