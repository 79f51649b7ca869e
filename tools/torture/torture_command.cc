#include "tools/torture/torture_command.h"

#include "core/random.h"
#include "tools/bench/child_server.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"
#include "tools/cli/table.h"
#include "tools/torture/torture_ledger.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <thread>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr std::uint64_t kLoadMsMin = 100;
constexpr std::uint64_t kLoadMsMax = 2'000;

volatile sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

struct Options {
    double minutes = 1;
    double seconds = 0;
    std::string folder = ".";
    std::string output = "table";
    std::uint64_t seed = 0;
    double total_seconds() const { return seconds > 0 ? seconds : minutes * 60; }
};

struct Verdict {
    std::uint64_t kills = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::int64_t start_ms_max = 0;
    TortureFindings findings;
    std::string failure;  // something could not be done at all
    bool verified = false;
    bool stopped = false;  // by a signal: what was not tried proves nothing
    double seconds = 0;
    bool never_ran() const { return kills == 0 && !failure.empty(); }
    bool broken() const { return !failure.empty() || findings.sum() != 0; }
    bool good() const { return !broken() && verified; }
};

bool start(ChildServer& server, Verdict& verdict) {
    const auto begin = Clock::now();
    if (auto started = server.start(); !started) {
        verdict.failure = started.error().message;
        return false;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    verdict.start_ms_max = std::max<std::int64_t>(verdict.start_ms_max, took.count());
    return true;
}

// One cycle: load, kill in the middle of it, start, compare. False: going on makes no sense.
bool cycle(ChildServer& server, core::Random& random, const std::function<void()>& tick,
           Verdict& verdict) {
    TortureLedger ledger(verdict.kills);
    std::atomic<bool> stop{false};
    std::thread load([&] { ledger.load(server.address(), stop); });
    const std::uint64_t ms = kLoadMsMin + random.below(kLoadMsMax - kLoadMsMin);
    const auto kill_at = Clock::now() + std::chrono::milliseconds(ms);
    while (g_interrupted == 0 && Clock::now() < kill_at) {
        tick();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (g_interrupted == 0 && !server.alive())
        verdict.failure = "the server ended by itself under load";
    server.kill();
    stop = true;
    load.join();
    ++verdict.kills;
    verdict.sent += ledger.sent();
    verdict.acknowledged += ledger.acknowledged();
    if (g_interrupted != 0 || !verdict.failure.empty() || !start(server, verdict)) return false;
    ledger.check(server.address(), verdict.findings, [] { return g_interrupted != 0; });
    return verdict.findings.sum() == 0;
}

void run(const Options& options, const std::string& folder, Verdict& verdict) {
    const auto begin = Clock::now();
    const auto deadline = begin + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(options.total_seconds()));
    core::Random random(options.seed);
    ChildServer server(folder + "/data", folder + "/server.log");
    if (!start(server, verdict)) return;
    if (auto ready = TortureLedger::prepare(server.address()); !ready) {
        verdict.failure = ready.error().message;
        return;
    }
    constexpr double kStepsPerSecond = 1000;
    Progress progress(
        std::cerr, {.label = "torturing",
                    .unit = "kills",
                    .total = static_cast<std::uint64_t>(options.total_seconds() * kStepsPerSecond),
                    .rate = false,
                    .enabled = options.output != "json" && ::isatty(STDERR_FILENO) != 0});
    const auto tick = [&] {
        const double spent = std::chrono::duration<double>(Clock::now() - begin).count();
        progress.update(static_cast<std::uint64_t>(spent * kStepsPerSecond), verdict.kills);
    };
    while (g_interrupted == 0 && cycle(server, random, tick, verdict) && Clock::now() < deadline) {
    }
    progress.finish();
    verdict.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (g_interrupted != 0 && !verdict.broken()) {
        verdict.stopped = true;
        server.kill();
        return;
    }
    if (verdict.failure.empty() && verdict.findings.sum() == 0) {
        if (auto stopped = server.stop(); !stopped) verdict.failure = stopped.error().message;
        verdict.verified = server.verify() == 0;
        if (!verdict.verified && verdict.failure.empty())
            verdict.failure = "`millrace verify` found damage in the folder";
    }
    verdict.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
}

void print_table(const Verdict& verdict) {
    const Terminal terminal = standard_output_terminal();
    Table table({"what", "count"});
    const auto row = [&](const char* what, std::uint64_t count, bool fault) {
        const Style style = !fault ? Style::kPlain : count == 0 ? Style::kGood : Style::kBad;
        table.add({what, Cell(std::to_string(count), style)});
    };
    const TortureFindings& found = verdict.findings;
    row("servers killed under load", verdict.kills, false);
    row("events sent", verdict.sent, false);
    row("events acknowledged", verdict.acknowledged, false);
    row("slowest start, ms", static_cast<std::uint64_t>(verdict.start_ms_max), false);
    row("acknowledged and lost", found.lost, true);
    row("in the log twice", found.twice, true);
    row("changed or moved", found.changed, true);
    row("out of order within a key", found.out_of_order, true);
    row("sent again and taken for new", found.unknown_again, true);
    row("handlers' effects missing", found.effects_missing, true);
    row("handlers' effects too many", found.effects_extra, true);
    row("questions not answered", found.unanswered, true);
    table.print(std::cout, terminal);
    if (!verdict.failure.empty()) std::cout << printable(verdict.failure) << "\n";
    if (!found.first.empty()) std::cout << "first: " << printable(found.first) << "\n";
    if (verdict.stopped) {
        std::cout << styled(
                         "stopped by a signal: no promise was broken until then, nothing is proven",
                         Style::kWarn, terminal)
                  << "\n";
        return;
    }
    std::cout << styled(verdict.good() ? "every promise was kept" : "A PROMISE WAS BROKEN",
                        verdict.good() ? Style::kGood : Style::kBad, terminal)
              << " (SIGKILL ends the process, not the power: a disk that lies about fdatasync is "
                 "not found out)\n";
}

void print_json(const Verdict& verdict, const std::string& folder) {
    const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    const TortureFindings& found = verdict.findings;
    JsonObject json;
    json.flag("ok", verdict.good())
        .flag("stopped", verdict.stopped)
        .number("kills", number(verdict.kills));
    json.number("sent", number(verdict.sent)).number("acknowledged", number(verdict.acknowledged));
    json.number("startMsMax", verdict.start_ms_max).number("lost", number(found.lost));
    json.number("twice", number(found.twice)).number("changed", number(found.changed));
    json.number("outOfOrder", number(found.out_of_order));
    json.number("unknownAgain", number(found.unknown_again));
    json.number("effectsMissing", number(found.effects_missing));
    json.number("effectsExtra", number(found.effects_extra));
    json.number("unanswered", number(found.unanswered)).flag("verified", verdict.verified);
    json.real("seconds", verdict.seconds).text_if("failure", verdict.failure);
    json.text_if("first", found.first).text_if("kept", folder);
    std::printf("%s\n", json.str().c_str());
}

}  // namespace

int torture_command(std::vector<std::string> arguments) {
    CLI::App app{"Kills servers under load on this disk and compares what they kept with a ledger",
                 "millrace torture"};
    Options options;
    app.add_option("--minutes", options.minutes, "how long")
        ->check(CLI::Range(0.01, 1e6))
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "the same in seconds")
        ->check(CLI::Range(1.0, 6e7));
    app.add_option("--data", options.folder,
                   "where: a folder of its own is made there, and removed after a good verdict")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of the moments at which servers are killed");
    app.add_option("-o,--output", options.output, "table for people, json for programs")
        ->check(CLI::IsMember({"table", "json"}));
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    std::error_code ignored;  // mkdtemp tells why
    std::filesystem::create_directories(options.folder, ignored);
    std::string folder = options.folder + "/millrace-torture-XXXXXX";
    if (!::mkdtemp(folder.data())) {
        std::fprintf(stderr, "error: torture: no folder can be made in %s: %s\n",
                     options.folder.c_str(), std::strerror(errno));
        return kExitFailed;
    }
    if (options.seed == 0) options.seed = static_cast<std::uint64_t>(::getpid());
    struct sigaction action {};
    action.sa_handler = interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    Verdict verdict;
    run(options, folder, verdict);
    const bool clean = verdict.good() || verdict.stopped;
    if (clean || verdict.never_ran()) std::filesystem::remove_all(folder, ignored);
    if (verdict.never_ran()) {
        // A disk without room, say: no promise was tried, so none is broken.
        std::fprintf(stderr, "error: torture: it could not begin: %s\n",
                     printable(verdict.failure).c_str());
        return kExitFailed;
    }
    if (options.output == "json") {
        print_json(verdict, clean ? std::string() : folder);
    } else {
        print_table(verdict);
        if (!clean) std::cout << "kept for you: " << folder << "\n";
    }
    return verdict.good() ? kExitOk : kExitFailed;
}

}  // namespace millrace::tools
