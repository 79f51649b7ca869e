// Question: what do the odd cases cost: expressions without a literal, one by one and in one
// Hyperscan database a path; event patterns that never repeat; a pivot that all events meet; the
// most that one filter and one event may make of array elements? Unit: ns per event, match alone.
// Run: build/release/bench/matcher_odd_bench [expressions|patterns|pivots|arrays]
#include "bench/matcher_harness.h"
#include "core/random.h"
#include "matcher/filter/dialects.h"
#include "matcher/subscription_spec.h"

#include <chrono>
#include <cstring>
#include <string>
#include <thread>

namespace {

using namespace millrace::bench;
using millrace::core::Random;
using millrace::matcher::Matcher;
using millrace::matcher::MatchScratch;
using millrace::matcher::Snapshot;
namespace core = millrace::core;

std::string number(std::uint64_t value) { return std::to_string(value); }
std::string event_of(const std::string& payload, const std::string& pattern = "p.q") {
    return R"({"pattern":")" + pattern + R"(","payload":{)" + payload + "}}";
}
double wall_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Until the rebuild that is due has come.
double settle(Bench& bench) {
    const double start = wall_s();
    bench.reader().offline();
    const std::uint64_t before = bench.matcher().stats().rebuilds;
    while (bench.matcher().stats().rebuilds == before && wall_s() < start + 60) {
        bench.matcher().maintain();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return wall_s() - start;
}

// A class of letters, digits, letters, digits: how many of each says which of 10,000 it is.
std::string expression(std::size_t i) {
    const auto count = [&](std::size_t by) { return "{" + number(i / by % 10 + 1) + "}"; };
    return "^[a-z]" + count(1) + "[0-9]" + count(10) + "[a-z]" + count(100) + "[0-9]" +
           count(1000) + "$";
}
std::string text_of(std::size_t i) {
    std::string out;
    for (std::size_t by = 1; by <= 1000; by *= 10)
        out += std::string(i / by % 10 + 1, by == 1 || by == 100 ? 'k' : '7');
    return out;
}

void expressions() {
    std::printf(
        "| expressions | bytes of text | one by one ns | rebuild s | in databases ns | bytes each "
        "|\n"
        "|---|---|---|---|---|---|\n");
    for (const std::size_t wide : {0, 4000}) {
        for (const std::size_t n : smoke() ? std::vector<std::size_t>{20}
                                           : std::vector<std::size_t>{10, 100, 1000, 10'000}) {
            const Workload workload{
                "expressions",
                [](std::size_t i, std::size_t) {
                    return SubscriptionSpec{
                        {}, condition("payload.s", Op::kRegex, {Scalar::string(expression(i))}), 0};
                },
                [wide](std::size_t i, std::size_t all) {
                    return event_of(R"("s":")" + text_of(i % all) + std::string(wide, '-') + "\"");
                },
                wide == 0 ? 1.0 : 0.0};
            Bench bench(workload, n, 64);
            const double loose = bench.run().match_ns;
            const double seconds = settle(bench);
            const Figures f = bench.run();
            std::printf("| %zu | %zu | %.0f | %.2f | %.0f | %.0f |\n", n, wide + 22, loose, seconds,
                        f.match_ns, f.bytes_each);
            std::fflush(stdout);
        }
    }
}

// The same subscriptions, events whose patterns repeat and events whose patterns never do.
void patterns() {
    std::printf("| patterns | match ns | matches |\n|---|---|---|\n");
    const std::size_t n = smoke() ? 100 : 10'000;
    for (const bool repeat : {true, false}) {
        const Workload workload{
            "patterns",
            [](std::size_t i, std::size_t) {
                using Kind = PatternPredicate::Kind;
                const std::string name = "svc" + number(i % 100);
                const Kind kind = i % 3 == 0   ? Kind::kPrefix
                                  : i % 3 == 1 ? Kind::kWildcard
                                               : Kind::kRegex;
                const std::string text = kind == Kind::kPrefix     ? name + "."
                                         : kind == Kind::kWildcard ? name + ".*ed"
                                                                   : "^" + name + "\\.[a-z0-9.]+$";
                return SubscriptionSpec{{kind, text}, text_is("payload.id", "i" + number(i)), 0};
            },
            [repeat](std::size_t i, std::size_t all) {
                const std::string tail = repeat ? "" : number(i) + ".";
                return event_of(R"("id":"i)" + number(i % all) + "\"",
                                "svc" + number(i % 100) + "." + tail + "created");
            },
            -1};
        Bench bench(workload, n, smoke() ? 64 : 20'000);
        const Figures f = bench.run();
        std::printf("| %s | %.0f | %.2f |\n", repeat ? "100" : "each one new", f.match_ns,
                    f.matches);
    }
}

// Variety calls the kind rare, but all events are of one kind.
void pivots() {
    std::printf("| pivots | match ns | entries met |\n|---|---|---|\n");
    const std::size_t n = smoke() ? 200 : 20'000;
    const Workload workload{
        "pivots",
        [](std::size_t i, std::size_t) {
            const bool hot = i % 2 == 0;
            return SubscriptionSpec{
                {},
                Predicate::all_of({text_is("payload.kind", hot ? "hot" : "k" + number(i)),
                                   text_is("payload.region", "r" + number(i % 500))}),
                0};
        },
        [](std::size_t i, std::size_t) {
            return event_of(R"("kind":"hot","region":"r)" + number(i % 500) + "\"");
        },
        -1};
    Bench bench(workload, n);
    const Figures before = bench.run();
    std::printf("| by variety | %.0f | %.0f |\n", before.match_ns,
                bench.matcher().stats().entries_per_event);
    settle(bench);
    const Figures after = bench.run();
    std::printf("| by what events have | %.0f | %.0f |\n", after.match_ns,
                bench.matcher().stats().entries_per_event);
}

// 256 alternatives over one long array, none of which fits: nothing can be left out.
void arrays() {
    std::printf("| elements | conditions | alternatives | match ms |\n|---|---|---|---|\n");
    std::string filter;
    for (int i = 0; i < 7; ++i) {
        const std::string a = "a" + number(i);
        filter += (i == 0 ? "($.l." : " && ($.l.") + a + " == 1 || $.l.b" + number(i) + " == 1)";
    }
    filter += " && ($.l.c == 1 || $.l.e == 1)";
    for (const std::size_t elements : {100, 1000, smoke() ? 1000 : 4000}) {
        const Workload workload{"arrays",
                                [&](std::size_t, std::size_t) {
                                    auto predicate = millrace::matcher::parse_any_filter(filter);
                                    if (!predicate) std::abort();
                                    return SubscriptionSpec{{}, *predicate, 0};
                                },
                                [elements](std::size_t, std::size_t) {
                                    std::string list;
                                    for (std::size_t i = 0; i < elements; ++i) {
                                        list += list.empty() ? "{" : ",{";
                                        for (int k = 0; k < 10; ++k) {
                                            list += "\"a" + number(k) + "\":1,\"b" + number(k) +
                                                    "\":1,";
                                        }
                                        list += i % 2 == 0 ? "\"d\":1}" : "\"d\":2}";
                                    }
                                    return event_of("\"l\":[" + list + ",{\"c\":1}]");
                                },
                                0};
        Bench bench(workload, 1, 1);
        std::printf("| %zu | 16 | 256 | %.2f |\n", elements, bench.run().match_ns * 1e-6);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = [&](const char* name) {
        return argc < 2 || argv[1][0] == '-' || std::strcmp(argv[1], name) == 0;
    };
    if (wanted("expressions")) expressions();
    if (wanted("patterns")) patterns();
    if (wanted("pivots")) pivots();
    if (wanted("arrays")) arrays();
}
