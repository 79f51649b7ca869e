#include "tools/serve_command.h"

#include "core/config.h"
#include "runtime/node/node_process.h"
#include "runtime/node/node_settings.h"
#include "runtime/server/data_folder.h"
#include "runtime/server/server.h"
#include "tools/console/console_files.h"
#include "tools/help/help_files.h"
#include "tools/serve_settings.h"

#include <CLI/CLI.hpp>

#include <cstdio>

#include <sys/stat.h>

namespace millrace::tools {

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// The console, and the pages of help that it shows.
runtime::api::ConsoleFiles files_for_browsers() {
    static const std::vector<runtime::api::ConsoleFile> all = [] {
        std::vector<runtime::api::ConsoleFile> files;
        for (const auto& part : {console_files(), help_files()})
            files.insert(files.end(), part.begin(), part.end());
        return files;
    }();
    return all;
}

runtime::api::ToldSettings told_settings(const core::Config& config,
                                         const std::vector<std::string>& origins) {
    const auto keys = core::config_keys();
    runtime::api::ToldSettings told;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        told.push_back({.key = std::string(keys[i].name),
                        .value = core::config_shown_text(config, keys[i]),
                        .from = origins[i]});
    }
    return told;
}

}  // namespace

int serve_command(std::vector<std::string> arguments) {
    ::umask(077);  // store, backups and sockets are the server's own
    CLI::App app{"Takes in events and makes things happen because of them", "millrace serve"};
    ServeSources from;
    bool dump = false;
    add_serve_sources(app, from);
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
    options.console = files_for_browsers();
    if (auto read = read_serve_config(config, from, &options.warnings); !read) {
        std::fprintf(stderr, "error: %s\n", read.error().message.c_str());
        return kExitUsage;
    }
    config.store.accept_loss = accept_loss;
    if (dump) {
        std::fputs(core::dump_config_toml(config).c_str(), stdout);
        return 0;
    }
    const auto origins = origins_of(from);
    if (!origins) {
        std::fprintf(stderr, "error: %s\n", origins.error().message.c_str());
        return kExitUsage;
    }
    options.settings = told_settings(config, *origins);
    options.read_again = [&from]() -> core::Result<core::Config> {
        core::Config fresh;
        if (auto read = read_serve_config(fresh, from, nullptr); !read)
            return core::fail(std::move(read.error()));
        return fresh;
    };
    if (runtime::node::is_clustered(config)) return runtime::node::run_node(config, options);
    if (auto own = runtime::check_own_folder(config.data.dir); !own) {
        std::fprintf(stderr, "error: %s\n", own.error().message.c_str());
        return kExitFailed;
    }
    return runtime::run_server(config, options);
}

}  // namespace millrace::tools
