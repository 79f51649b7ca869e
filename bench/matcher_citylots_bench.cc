// Question: the rule sets that event-ruler and quamina publish, parse included: microseconds per
// event? Unit: one city lot of about 877 bytes. Budget: exact, prefix, wildcard <= 0.25 us;
// anything-but <= 0.5; complex arrays <= 1.0. Every rule's number of matches must be the published
// one. Run: python3 gen_citylike.py lots.jsonl; build/release/bench/matcher_citylots_bench
// lots.jsonl rule_sets.json [set]. Without arguments (ctest) a few made-up lots are matched, so
// that the program cannot rot.
#include "bench/matcher_harness.h"

#include <simdjson.h>

#include <fstream>
#include <sstream>

namespace {

using namespace millrace;
using namespace millrace::bench;

struct Set {
    std::string name;
    std::vector<SubscriptionSpec> specs;
    std::vector<std::size_t> expect;
};

Predicate condition_of(simdjson::dom::object c) {
    std::string path{std::string_view(c["path"])};
    path = path.substr(2);
    const std::size_t any = path.find("..");
    if (any != std::string::npos) path.erase(any, 1);  // arrays are passed through anyway
    const std::string_view op = c["op"];
    bool negate = false;
    if (c["negate"].get(negate)) negate = false;
    const auto text = [&] { return std::string(std::string_view(c["value"])); };
    const auto number = [](simdjson::dom::element e) {
        return Scalar::number(simdjson::minify(e));
    };
    if (op == "equals") return condition(path, Op::kEquals, {Scalar::string(text())}, negate);
    if (op == "equals_ci")
        return condition(path, Op::kEqualsIgnoreCase, {Scalar::string(matcher::folded(text()))},
                         negate);
    if (op == "prefix") return condition(path, Op::kPrefix, {Scalar::string(text())}, negate);
    if (op == "prefix_ci")
        return condition(path, Op::kPrefixIgnoreCase, {Scalar::string(matcher::folded(text()))},
                         negate);
    if (op == "suffix") return condition(path, Op::kSuffix, {Scalar::string(text())}, negate);
    if (op == "suffix_ci")
        return condition(path, Op::kSuffixIgnoreCase, {Scalar::string(matcher::folded(text()))},
                         negate);
    if (op == "wildcard") return condition(path, Op::kWildcard, {Scalar::string(text())}, negate);
    if (op == "num_eq") return condition(path, Op::kEquals, {number(c["value"].value())}, negate);
    if (op == "lt")
        return condition(path, Op::kRange, {Scalar::null(), number(c["value"].value())}, negate);
    if (op == "gt")
        return condition(path, Op::kRange, {number(c["value"].value()), Scalar::null()}, negate);
    if (op == "between_open") {
        return condition(path, Op::kRange,
                         {number(c["value"].at(0).value()), number(c["value"].at(1).value())},
                         negate);
    }
    std::fprintf(stderr, "unknown op %s\n", std::string(op).c_str());
    std::exit(1);
}

constexpr const char* kSmallRules =
    R"({"sets":[{"name":"EXACT","rules":[[{"path":"$.properties.STREET","op":"equals","value":"FULTON"}]],"expect":[2]},)"
    R"({"name":"ARRAYS","rules":[[{"path":"$.geometry.coordinates..x","op":"gt","value":1.5}]],"expect":[1]}]})";
constexpr const char* kSmallLots =
    R"({"properties":{"STREET":"FULTON"},"geometry":{"coordinates":[[{"x":1},{"x":2}]]}}
{"properties":{"STREET":"FULTON"},"geometry":{"coordinates":[[{"x":1}]]}}
)";

std::vector<Set> read_sets(const std::string& text) {
    std::vector<Set> sets;
    simdjson::dom::parser parser;
    simdjson::dom::element document = parser.parse(text);
    for (simdjson::dom::element s : document["sets"].get_array()) {
        Set set;
        set.name = std::string(std::string_view(s["name"]));
        for (simdjson::dom::element rule : s["rules"].get_array()) {
            std::vector<Predicate> all;
            for (simdjson::dom::element c : rule.get_array())
                all.push_back(condition_of(c.get_object()));
            SubscriptionSpec& spec = set.specs.emplace_back();
            spec.predicate = Predicate::all_of(std::move(all));
        }
        for (simdjson::dom::element n : s["expect"].get_array()) {
            set.expect.push_back(static_cast<std::size_t>(std::uint64_t(n)));
        }
        sets.push_back(std::move(set));
    }
    return sets;
}

std::string read_file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

void run(const Set& set, const std::vector<std::string_view>& lots, bool check) {
    matcher::Matcher matcher;
    for (std::uint32_t i = 0; i < set.specs.size(); ++i) {
        if (!matcher.add(core::SubscriptionId(i), core::TenantId(0), set.specs[i])) std::exit(1);
    }
    matcher.publish();
    matcher::Matcher::Reader reader = matcher.register_reader();
    const matcher::Snapshot& snapshot = reader.observe();
    matcher::MatchScratch scratch;
    core::EventParser parser;
    core::FieldTable fields;
    core::Envelope envelope;
    std::vector<core::SubscriptionId> out;
    std::vector<std::size_t> counts(set.specs.size());
    double least = 1e18;
    for (int round = 0; round < 3; ++round) {
        std::fill(counts.begin(), counts.end(), 0);
        const std::int64_t start = now_ns();
        for (const std::string_view lot : lots) {
            if (!parser.extract(lot, snapshot.plan(), nullptr, fields)) std::exit(1);
            snapshot.match(envelope, core::TenantId(0), fields, scratch, out);
            for (const core::SubscriptionId id : out) ++counts[id.value];
        }
        least = std::min(least,
                         static_cast<double>(now_ns() - start) / static_cast<double>(lots.size()));
    }
    const bool good = !check || counts == set.expect;
    std::printf("| %s | %zu | %.0f | %.0f | %s |\n", set.name.c_str(), set.specs.size(), least,
                1e6 / least, good ? "as published" : "WRONG");
    std::fflush(stdout);
    if (good) return;
    for (std::size_t i = 0; i < counts.size(); ++i)
        std::fprintf(stderr, "%zu of %zu\n", counts[i], set.expect[i]);
    std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    const bool files = argc > 2 && argv[1][0] != '-';
    std::string text = files ? read_file(argv[1]) : kSmallLots;
    std::vector<Set> sets = read_sets(files ? read_file(argv[2]) : kSmallRules);
    const std::size_t size = text.size();
    text.append(64, '\0');
    std::vector<std::string_view> lots;
    for (std::size_t at = 0; at < size;) {
        const std::size_t end = text.find('\n', at);
        lots.push_back(std::string_view(text).substr(at, end - at));
        at = end + 1;
    }
    const bool check = !files || lots.size() == 213'068;
    Set partial{"PARTIAL-COMBO", {}, {}};
    Set combo{"COMBO", {}, {}};
    for (const Set& set : sets) {
        const auto append = [&](Set& to) {
            to.specs.insert(to.specs.end(), set.specs.begin(), set.specs.end());
            to.expect.insert(to.expect.end(), set.expect.begin(), set.expect.end());
        };
        const bool in_partial = set.name == "NUMERIC" || set.name == "EXACT" ||
                                set.name == "PREFIX" || set.name.starts_with("ANYTHING");
        if (in_partial) append(partial);
        if (in_partial || set.name == "COMPLEX_ARRAYS") append(combo);
    }
    sets.push_back(partial);
    sets.push_back(combo);
    std::printf(
        "| set | rules | ns an event, parse included | k events/s | matches "
        "|\n|---|---|---|---|---|\n");
    for (const Set& set : sets) {
        if (argc < 4 || set.name == argv[3]) run(set, lots, check);
    }
}
