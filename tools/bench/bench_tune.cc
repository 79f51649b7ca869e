#include "tools/bench/bench_tune.h"

#include "core/json_dom.h"
#include "tools/bench/bench_run.h"
#include "tools/cli/json.h"
#include "tools/cli/table.h"
#include "tools/cli/timed_progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <thread>

#include <unistd.h>

namespace millrace::tools {

namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
// What differs by less is the machine's mood.
constexpr double kWorthwhile = 1.03;

using Settings = std::vector<std::string>;  // key=value

struct Tried {
    Settings settings;
    BenchReport report;
    // Of both loads alike: what makes one quicker and the other slower gains nothing.
    double score() const {
        return std::sqrt(report.single.events_per_second() * report.batch.events_per_second());
    }
};

int failed(const core::Error& error) {
    std::cerr << "error: " << printable(error.message) << "\n";
    return kExitFailed;
}

std::string joined(const Settings& settings) {
    std::string text;
    for (const std::string& one : settings) text += (text.empty() ? "" : " ") + one;
    return text.empty() ? "as it comes" : text;
}

std::vector<std::string> flags_of(const Settings& settings) {
    std::vector<std::string> flags;
    for (const std::string& one : settings) flags.insert(flags.end(), {"--set", one});
    return flags;
}

core::Result<Tried> try_settings(const BenchOptions& options, const Settings& settings) {
    TimedProgress progress(std::cerr, joined(settings), bench_seconds(options),
                           options.output != "json" && ::isatty(STDERR_FILENO) != 0);
    auto report = run_bench(options, flags_of(settings));
    progress.finish();
    if (!report) return core::fail(std::move(report.error()));
    if (const std::uint64_t lost = report->single.failed + report->batch.failed; lost > 0) {
        return core::fail(core::ErrorCode::kUnavailable, "bench: " + joined(settings) + ": " +
                                                             std::to_string(lost) +
                                                             " requests were not taken");
    }
    return Tried{settings, std::move(*report)};
}

std::string rounded(double value) { return std::to_string(std::llround(value)); }

void add_row(Table& table, const Tried& one, bool best) {
    table.add({Cell(joined(one.settings), best ? Style::kGood : Style::kPlain),
               rounded(one.report.single.events_per_second()), rounded(one.report.single.p99_us),
               rounded(one.report.batch.events_per_second()), rounded(one.report.batch.p99_us),
               rounded(one.report.delivered_per_second)});
}

Table figures_table() {
    return Table({"settings", "single/s", "p99 us", "batched/s", "p99 us", "handled/s"});
}

std::string json_of(const Tried& one) {
    std::string settings;
    for (const std::string& text : one.settings)
        settings += (settings.empty() ? "" : ",") + json_quoted(text);
    return JsonObject()
        .raw("settings", "[" + settings + "]")
        .raw("single", bench_figures_json(one.report.single))
        .raw("batch", bench_figures_json(one.report.batch))
        .real("deliveredPerSecond", one.report.delivered_per_second)
        .str();
}

// ---- tune

// One setting and what it may be; the first is what it is unless told.
struct Dial {
    std::string key;
    std::vector<std::string> values;
};

std::vector<Dial> dials() {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    Dial shards{"engine.shards", {"1"}};
    Dial lanes{"engine.lanes", {"1"}};
    for (unsigned n = 2; n <= cores && n <= 16; n *= 2) {
        shards.values.push_back(std::to_string(n));
        lanes.values.push_back(std::to_string(n));
    }
    return {shards,
            lanes,
            {"store.sync_depth_max", {"1", "2", "4"}},
            {"store.linger", {"1ms", "0", "5ms"}},
            {"engine.pin", {"false", "true"}}};
}

int tune(const BenchOptions& options) {
    auto first = try_settings(options, {});
    if (!first) return failed(first.error());
    std::vector<Tried> all = {std::move(*first)};
    std::size_t best = 0;
    for (const Dial& dial : dials()) {
        const Settings from = all[best].settings;
        for (const std::string& value : dial.values) {
            Settings settings = from;
            settings.push_back(dial.key + "=" + value);
            auto tried = try_settings(options, settings);
            if (!tried) return failed(tried.error());
            all.push_back(std::move(*tried));
            if (all.back().score() > all[best].score() * kWorthwhile) best = all.size() - 1;
        }
    }
    const Settings& chosen = all[best].settings;
    if (options.output == "json") {
        std::string list;
        for (const Tried& one : all) list += (list.empty() ? "" : ",") + json_of(one);
        std::cout
            << JsonObject().raw("best", json_of(all[best])).raw("tried", "[" + list + "]").str()
            << "\n";
        return kExitOk;
    }
    Table table = figures_table();
    for (std::size_t i = 0; i < all.size(); ++i) add_row(table, all[i], i == best);
    table.print(std::cout, standard_output_terminal());
    if (chosen.empty()) {
        std::cout << "nothing is quicker here than the settings as they come\n";
        return kExitOk;
    }
    std::cout << "quickest: millrace serve";
    for (const std::string& one : chosen) std::cout << " --set " << one;
    std::cout << "\nas a share of the settings as they come: "
              << rounded(100 * all[best].score() / all.front().score())
              << " %; a folder keeps the number of shards that it was made with\n";
    return kExitOk;
}

// ---- compare

struct Kept {
    core::JsonDom parser;
    core::JsonElement root;
};

core::Status read_kept(const std::string& file, Kept& out) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return core::fail(core::ErrorCode::kNotFound, "cannot read file " + file);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    core::JsonElement single;
    if (!out.parser.read(text, out.root) || !out.root.find("single", single))
        return core::fail(core::ErrorCode::kValidation,
                          file + " is not what `millrace bench -o json` prints");
    return {};
}

double real_at(core::JsonElement root, std::string_view object, std::string_view member) {
    core::JsonElement inner = root;
    core::JsonElement found;
    double value = 0;
    if (!object.empty() && !root.find(object, inner)) return 0;
    return inner.find(member, found) && found.get(value) ? value : 0;
}

struct Measure {
    const char* what;
    const char* object;
    const char* member;
    bool more_is_better;
};
constexpr Measure kMeasures[] = {
    {"one event a request, events/s", "single", "eventsPerSecond", true},
    {"the same, p50 us", "single", "p50Us", false},
    {"the same, p99 us", "single", "p99Us", false},
    {"batches, events/s", "batch", "eventsPerSecond", true},
    {"the same, p99 us", "batch", "p99Us", false},
    {"batches, handled/s", "", "deliveredPerSecond", true}};

// Exit code 1: something got worse by more than `percent`.
int print_change(core::JsonElement before, core::JsonElement after, double percent, bool json) {
    Table table({"what", "before", "after", "change"});
    std::string items;
    bool worse = false;
    for (const Measure& one : kMeasures) {
        const double a = real_at(before, one.object, one.member);
        const double b = real_at(after, one.object, one.member);
        const double change = a > 0 ? (b / a - 1) * 100 : 0;
        const double loss = one.more_is_better ? -change : change;
        // The tail of latencies is told, and no judge: one slow sync makes it.
        const bool judged = one.more_is_better;
        worse = worse || (judged && loss > percent);
        char text[32];
        std::snprintf(text, sizeof text, "%+.1f %%", change);
        const Style style = std::abs(change) < 3 ? Style::kPlain
                            : loss > 0           ? Style::kBad
                                                 : Style::kGood;
        table.add({one.what, rounded(a), rounded(b), Cell(text, style)});
        items += (items.empty() ? "" : ",") + JsonObject()
                                                  .text("what", one.what)
                                                  .real("before", a)
                                                  .real("after", b)
                                                  .real("percent", change)
                                                  .str();
    }
    if (json)
        std::cout << JsonObject().flag("worse", worse).raw("items", "[" + items + "]").str()
                  << "\n";
    else
        table.print(std::cout, standard_output_terminal());
    return worse ? kExitFailed : kExitOk;
}

// Turn and turn about, so that the machine's moods meet both; the best of each counts.
int compare_settings(const BenchOptions& options, const Settings& settings, int rounds,
                     double percent) {
    std::optional<Tried> best[2];
    for (int round = 0; round < rounds; ++round) {
        for (int side = 0; side < 2; ++side) {
            auto tried = try_settings(options, side == 0 ? Settings() : settings);
            if (!tried) return failed(tried.error());
            if (!best[side] || tried->score() > best[side]->score()) best[side] = std::move(*tried);
        }
    }
    Kept kept[2];
    for (int side = 0; side < 2; ++side) {
        if (!kept[side].parser.read(json_of(*best[side]), kept[side].root)) return kExitFailed;
    }
    if (options.output != "json")
        std::cout << "before: as it comes; after: " << joined(settings) << "\n";
    return print_change(kept[0].root, kept[1].root, percent, options.output == "json");
}

int compare_files(const BenchOptions& options, const std::vector<std::string>& files,
                  double percent) {
    Kept before, after;
    if (auto read = read_kept(files[0], before); !read) return failed(read.error());
    if (auto read = read_kept(files[1], after); !read) return failed(read.error());
    return print_change(before.root, after.root, percent, options.output == "json");
}

}  // namespace

int bench_tune_command(std::vector<std::string> arguments) {
    const bool tunes = arguments.front() == "tune";
    arguments.erase(arguments.begin());
    CLI::App app(tunes ? "Tries settings on this machine and tells the quickest"
                       : "Settings beside those as they come, or two runs that were kept",
                 tunes ? "millrace bench tune" : "millrace bench compare");
    BenchOptions options;
    options.seconds = 2;
    add_bench_options(app, options);
    std::vector<std::string> files;
    Settings settings;
    int rounds = 3;
    double percent = 5;
    if (!tunes) {
        CLI::Option* kept =
            app.add_option("file", files, "two runs, as `millrace bench -o json` printed them");
        app.add_option("--set", settings, "key=value, beside the settings as they come; repeatable")
            ->allow_extra_args(false)
            ->excludes(kept);
        app.add_option("--rounds", rounds, "of each, turn and turn about")
            ->check(CLI::Range(1, 100))
            ->capture_default_str();
        app.add_option("--worse", percent, "exit code 1 when it is slower by more percent")
            ->check(CLI::NonNegativeNumber)
            ->capture_default_str();
    }
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    if (tunes) return tune(options);
    if (files.empty() == settings.empty() || (!files.empty() && files.size() != 2)) {
        std::cerr << "usage: bench compare needs two files, or --set key=value\n";
        return kExitUsage;
    }
    return files.empty() ? compare_settings(options, settings, rounds, percent)
                         : compare_files(options, files, percent);
}

}  // namespace millrace::tools
