#include "tools/serve_command.h"

#include "core/config.h"
#include "runtime/server/server.h"
#include "tools/console/console_files.h"
#include "tools/serve_settings.h"

#include <CLI/CLI.hpp>

#include <cstdio>

#include <sys/stat.h>

namespace millrace::tools {

namespace {

constexpr int kExitUsage = 2;

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
    options.console = console_files();
    if (auto read = read_serve_config(config, from, &options.warnings); !read) {
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
        if (auto read = read_serve_config(fresh, from, nullptr); !read)
            return core::fail(std::move(read.error()));
        return fresh;
    };
    return runtime::run_server(config, options);
}

}  // namespace millrace::tools
