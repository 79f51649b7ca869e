// What: runs public suites by hand, from files that are no part of this repository:
//           matcher_conformance jsonpath cts.json                          (RFC 9535 compliance
//           suite) matcher_conformance ruler correctness-cases.with-results.json  (event-ruler's
//           verdicts) matcher_conformance match rule.json event.json                 (one
//           event-shaped filter)
// Prints the score and every disagreement; exit code 1 when there is one.
#include "matcher/filter/json_value.h"
#include "matcher/filter/path_parser.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

namespace millrace::matcher {
namespace {

// The values that steps select by RFC 9535: arrays are not passed through.
std::vector<const JsonValue*> select(const JsonValue& root, const std::vector<PathStep>& steps) {
    std::vector<const JsonValue*> nodes = {&root};
    for (const PathStep& step : steps) {
        std::vector<const JsonValue*> next;
        for (const JsonValue* node : nodes) {
            const auto size = static_cast<std::int64_t>(node->elements.size());
            const std::int64_t index = step.index < 0 ? step.index + size : step.index;
            if (step.kind == PathStep::Kind::kName) {
                if (const JsonValue* child = node->find(step.name)) next.push_back(child);
            } else if (step.kind == PathStep::Kind::kIndex) {
                if (index >= 0 && index < size)
                    next.push_back(&node->elements[static_cast<std::size_t>(index)]);
            } else {
                for (const JsonValue& element : node->elements) next.push_back(&element);
                for (const JsonMember& member : node->members) next.push_back(&member.value);
            }
        }
        nodes = std::move(next);
    }
    return nodes;
}

std::string list_text(const std::vector<const JsonValue*>& nodes) {
    std::string out = "[";
    for (const JsonValue* node : nodes) {
        if (out.size() > 1) out += ',';
        out += to_json(*node);
    }
    return out + "]";
}

bool is_expected(const JsonValue& test, const std::string& found) {
    if (const JsonValue* result = test.find("result")) return to_json(*result) == found;
    const JsonValue* results = test.find("results");
    return results &&
           std::any_of(results->elements.begin(), results->elements.end(),
                       [&](const JsonValue& result) { return to_json(result) == found; });
}

int run_jsonpath(const JsonValue& suite) {
    int invalid = 0;
    int invalid_refused = 0;
    int valid = 0;
    int claimed = 0;
    int claimed_right = 0;
    for (const JsonValue& test : suite.find("tests")->elements) {
        const std::string& selector = test.find("selector")->text;
        const auto steps = parse_jsonpath(selector);
        if (test.find("invalid_selector") != nullptr) {
            ++invalid;
            invalid_refused += !steps;
            if (steps) std::printf("accepted though invalid: %s\n", selector.c_str());
            continue;
        }
        ++valid;
        if (!steps) {
            // Refused by design: the message names what is not supported.
            if (steps.error().message.find("not supported in filters") != std::string::npos)
                continue;
            ++claimed;
            std::printf("refused: %s: %s\n", selector.c_str(), steps.error().message.c_str());
            continue;
        }
        ++claimed;
        const std::string found = list_text(select(*test.find("document"), *steps));
        claimed_right += is_expected(test, found);
        if (!is_expected(test, found))
            std::printf("wrong: %s: %s\n", selector.c_str(), found.c_str());
    }
    std::printf(
        "invalid selectors refused %d of %d; supported selectors right %d of %d; "
        "%d valid ones outside the supported part refused by name\n",
        invalid_refused, invalid, claimed_right, claimed, valid - claimed);
    return invalid_refused == invalid && claimed_right == claimed ? 0 : 1;
}

bool ruler_matches(const JsonValue& rule, const JsonValue& event) {
    // Both under payload, so that no key is taken for the envelope's.
    const auto spec = parse_subscription_json(
        "{\"form\":\"event-pattern\",\"filters\":{\"payload\":" + to_json(rule) + "}}");
    if (!spec) {
        std::printf("refused: %s: %s\n", to_json(rule).c_str(), spec.error().message.c_str());
        return false;
    }
    const auto tree = parse_json("{\"pattern\":\"p\",\"payload\":" + to_json(event) + "}");
    const auto matcher = ReferenceMatcher::compile(*spec);
    return tree && matcher && matcher->matches(*tree);
}

int run_ruler(const JsonValue& suite) {
    int right = 0;
    for (const JsonValue& test : suite.elements) {
        const bool expected = test.find("ruler_2_0_1_matches")->type == JsonValue::Type::kTrue;
        const bool found = ruler_matches(*test.find("rule"), *test.find("event"));
        right += found == expected;
        if (found != expected) std::printf("differs: %s\n", test.find("name")->text.c_str());
    }
    std::printf("agrees with event-ruler in %d of %zu\n", right, suite.elements.size());
    return right == static_cast<int>(suite.elements.size()) ? 0 : 1;
}

core::Result<JsonValue> load(const char* path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    return parse_json(text);
}

int run(int argc, char** argv) {
    const std::string mode = argc > 2 ? argv[1] : "";
    const auto file = argc > 2 ? load(argv[2]) : load("");
    if (!file) {
        std::fprintf(stderr,
                     "usage: matcher_conformance jsonpath|ruler FILE | match RULE EVENT (%s)\n",
                     file.error().message.c_str());
        return 2;
    }
    if (mode == "jsonpath") return run_jsonpath(*file);
    if (mode == "ruler") return run_ruler(*file);
    const auto event = argc > 3 ? load(argv[3]) : load("");
    if (!event) return 2;
    std::puts(ruler_matches(*file, *event) ? "match" : "no match");
    return 0;
}

}  // namespace
}  // namespace millrace::matcher

int main(int argc, char** argv) { return millrace::matcher::run(argc, argv); }
