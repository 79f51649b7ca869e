// Question: what if every statement about the pattern went into one Hyperscan database?
// Unit: ns per event pattern; seconds to compile. Beside it the matcher on the same statements,
// match alone. Run: build/release/bench/matcher_hyperscan_bench [size ...]
#include "bench/matcher_harness.h"
#include "core/random.h"
#include "matcher/regex/regex.h"

#include <hs/hs.h>

namespace {

using namespace millrace::bench;

// The mix of statements of matcher_scale_bench: exact 60, prefix 15, wildcard 10, regex 15 of 100.
PatternPredicate statement(std::size_t i) {
    using Kind = PatternPredicate::Kind;
    const std::string service = "svc" + std::to_string(i);
    switch (i % 20) {
        case 0:
        case 1:
        case 2: return {Kind::kPrefix, service + "."};
        case 3:
        case 4: return {Kind::kWildcard, service + ".*ed"};
        case 5:
        case 6:
        case 7: return {Kind::kRegex, "^[a-z]+" + std::to_string(i) + "\\.(created|updated)$"};
        default: return {Kind::kExact, service + ".created"};
    }
}
std::string as_regex(const PatternPredicate& p) {
    using Kind = PatternPredicate::Kind;
    const auto escaped = [](const std::string& text) {
        std::string out;
        char hex[8];
        for (const char c : text) {
            std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
            out += hex;
        }
        return out;
    };
    if (p.kind == Kind::kExact) return "^" + escaped(p.value) + "\\z";
    if (p.kind == Kind::kPrefix) return "^" + escaped(p.value);
    if (p.kind == Kind::kWildcard) return millrace::matcher::wildcard_to_regex(p.value);
    return *millrace::matcher::translate_regex(p.value);
}
int count(unsigned, unsigned long long, unsigned long long, unsigned, void* matches) {
    ++*static_cast<std::size_t*>(matches);
    return 0;
}

void run(std::size_t n) {
    std::vector<std::string> texts(n);
    std::vector<const char*> expressions(n);
    std::vector<unsigned> flags(n, millrace::matcher::regex_compile_flags() | HS_FLAG_SINGLEMATCH);
    std::vector<unsigned> ids(n);
    for (std::size_t i = 0; i < n; ++i) {
        texts[i] = as_regex(statement(i));
        expressions[i] = texts[i].c_str();
        ids[i] = static_cast<unsigned>(i);
    }
    std::vector<std::string> patterns;
    millrace::core::Random random(9);
    for (int i = 0; i < 512; ++i)
        patterns.push_back("svc" + std::to_string(random.below(n)) + ".created");
    std::int64_t start = now_ns();
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    if (hs_compile_multi(expressions.data(), flags.data(), ids.data(), static_cast<unsigned>(n),
                         HS_MODE_BLOCK, nullptr, &database, &error) != HS_SUCCESS) {
        std::printf("| %zu | refused: %s |\n", n, error ? error->message : "");
        return;
    }
    const double compile_s = static_cast<double>(now_ns() - start) * 1e-9;
    hs_scratch_t* scratch = nullptr;
    std::size_t bytes = 0;
    std::size_t matches = 0;
    hs_alloc_scratch(database, &scratch);
    hs_database_size(database, &bytes);
    double least = 1e18;
    for (int round = 0; round < 5; ++round) {
        matches = 0;
        start = now_ns();
        for (const std::string& p : patterns) {
            hs_scan(database, p.data(), static_cast<unsigned>(p.size()), 0, scratch, count,
                    &matches);
        }
        least = std::min(
            least, static_cast<double>(now_ns() - start) / static_cast<double>(patterns.size()));
    }
    hs_free_scratch(scratch);
    hs_free_database(database);
    const Workload workload{
        "statements",
        [](std::size_t i, std::size_t) {
            return SubscriptionSpec{statement(i), {}, 0};
        },
        [&](std::size_t i, std::size_t) { return R"({"pattern":")" + patterns[i] + "\"}"; }, -1};
    const Figures f = Bench(workload, n).run();
    std::printf("| %zu | %.3f | %zu | %.0f | %.2f | %.3f | %.0f | %.0f | %.2f |\n", n, compile_s,
                bytes / n, least, static_cast<double>(matches) / 512, f.load_s, f.bytes_each,
                f.match_ns, f.matches);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    for (int i = 1; i < argc; ++i) {
        if (argv[i][0] != '-') sizes.push_back(std::strtoull(argv[i], nullptr, 10));
    }
    if (sizes.empty())
        sizes =
            smoke() ? std::vector<std::size_t>{100} : std::vector<std::size_t>{100, 1000, 10'000};
    std::printf(
        "| statements | Hyperscan compile s | bytes each | ns | matches | matcher load s | bytes "
        "each | ns | matches |\n"
        "|---|---|---|---|---|---|---|---|---|\n");
    for (const std::size_t n : sizes) run(n);
}
