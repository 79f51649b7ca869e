#include "tools/cli/watch.h"

#include "tools/cli/json.h"
#include "tools/cli/progress.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <thread>

namespace millrace::tools {

namespace {

// Verbs that change nothing, whatever noun they are of.
constexpr std::array<std::string_view, 14> kLooks = {
    "list",    "show", "info",   "status", "count", "groups",     "runs",
    "history", "logs", "health", "stats",  "usage", "deliveries", "preview"};

const CLI::App* deepest(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return at;
}

}  // namespace

void add_watch_options(CLI::App& app, CliContext& context) {
    CLI::Option* flag = app.add_flag("-w,--watch", context.watch, "look again every two seconds");
    app.add_option("--watch-seconds", context.watch_seconds, "so often")
        ->check(CLI::Range(0.1, 86'400.0))
        ->needs(flag);
    app.add_option("--watch-times", context.watch_times, "so many times; else until it is ended")
        ->check(CLI::PositiveNumber)
        ->needs(flag);
}

int watch(CliContext& context, const CLI::App& app, const std::string& line) {
    const std::string verb = deepest(app)->get_name();
    if (std::find(kLooks.begin(), kLooks.end(), verb) == kLooks.end())
        return context.usage("--watch is for verbs that only look; '" + verb + "' is none");
    const bool screen = context.terminal().width_columns > 0 && !context.json();
    int code = kExitOk;
    for (std::int64_t time = 1;; ++time) {
        if (screen) {
            context.out() << "\x1b[H\x1b[2J"
                          << styled("every " + short_duration(context.watch_seconds) + ": " +
                                        printable(line),
                                    Style::kDim, context.terminal())
                          << "\n\n";
        }
        code = context.action();
        context.out() << std::flush;
        if (code == kExitUsage || time == context.watch_times) return code;
        std::this_thread::sleep_for(std::chrono::duration<double>(context.watch_seconds));
    }
}

}  // namespace millrace::tools
