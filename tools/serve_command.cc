#include "tools/serve_command.h"

#include "core/config.h"
#include "runtime/server/server.h"
#include "tools/console/console_files.h"

#include <CLI/CLI.hpp>

#include <cstdio>

#include <sys/stat.h>

extern char** environ;

namespace millrace::tools {

namespace {

constexpr int kExitUsage = 2;

struct Flag {
    const char* flag;
    const char* key;
    const char* help;
};

// The flags that have a name of their own; every other key is reached by --set.
constexpr Flag kFlags[] = {
    {"--data", "data.dir", "folder of the log and everything else that is kept"},
    {"--listen", "http.listen", "HTTP, HOST:PORT; port 0 picks a free one"},
    {"--socket", "socket.listen", "NDJSON over TCP, HOST:PORT; empty: none"},
    {"--unix", "socket.unix", "NDJSON over a Unix socket, PATH"},
    {"--shards", "engine.shards", "shards; 0: one a core"},
    {"--lanes", "engine.lanes", "lanes that run handlers; 0: one a core"},
    {"--durability", "store.durability", "what an ack means: fsync, os, memory"},
};

struct Sources {
    std::string file;
    std::vector<std::string> values;  // of kFlags
    std::vector<std::string> settings;
};

core::Status read_config(core::Config& config, const Sources& from,
                         std::vector<std::string>* warnings) {
    const auto& [file, values, settings] = from;
    if (!file.empty()) {
        if (auto read = core::apply_config_file(config, file); !read) return read;
    }
    if (auto read = core::apply_config_environment(config, environ, warnings); !read) return read;
    for (std::size_t i = 0; i < std::size(kFlags); ++i) {
        if (values[i] == "\n") continue;
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
    return core::check_config(config);
}

}  // namespace

int serve_command(std::vector<std::string> arguments) {
    ::umask(077);  // store, backups and sockets are the server's own
    CLI::App app{"Takes in events and makes things happen because of them", "millrace serve"};
    Sources from;
    bool dump = false;
    // A value that nobody can type marks a flag that was not given: "" is one that can be.
    from.values.assign(std::size(kFlags), "\n");
    app.add_option("--config", from.file, "TOML file; see --print-config");
    for (std::size_t i = 0; i < std::size(kFlags); ++i)
        app.add_option(kFlags[i].flag, from.values[i], kFlags[i].help);
    app.add_option("--set", from.settings, "key=value, any key of the configuration; repeatable")
        ->allow_extra_args(false);
    app.add_flag("--print-config", dump,
                 "print the configuration in force, with the documentation of each key");
    bool accept_loss = false;
    app.add_flag("--accept-loss", accept_loss,
                 "start although acknowledged events are missing; which ones is printed and kept "
                 "in the audit log");
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    core::Config config;
    runtime::ServeOptions options;
    options.console = console_files();
    if (auto read = read_config(config, from, &options.warnings); !read) {
        std::fprintf(stderr, "error: %s\n", read.error().message.c_str());
        return kExitUsage;
    }
    config.store.accept_loss = accept_loss;
    if (dump) {
        std::fputs(core::dump_config_toml(config).c_str(), stdout);
        return 0;
    }
    options.read_again = [&from]() -> core::Result<core::Config> {
        core::Config fresh;
        if (auto read = read_config(fresh, from, nullptr); !read)
            return core::fail(std::move(read.error()));
        return fresh;
    };
    return runtime::run_server(config, options);
}

}  // namespace millrace::tools
