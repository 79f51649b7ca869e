#include "tests/support/spec_gen.h"

#include "matcher/filter/case_fold.h"

#include <array>
#include <iterator>

namespace millrace::testing {

using matcher::Leaf;
using matcher::Op;
using matcher::Path;
using matcher::PathStep;
using matcher::PatternPredicate;
using matcher::Predicate;
using matcher::Scalar;
using matcher::SubscriptionSpec;

namespace {

constexpr const char* kWords[] = {"a",  "b",      "ab",     "ba",       "abc",       "ABC",
                                  "Ab", "",       "x*y",    "aba",      "bb",        "c",
                                  "aa", "\u00e9", "\u00c9", "10.0.0.1", "10.0.0.77", "2001:db8::1"};
constexpr const char* kNumbers[] = {"0",      "-0.0",
                                    "1",      "1.0",
                                    "2",      "10",
                                    "1e1",    "9007199254740992",
                                    "0.5",    "-1",
                                    "1e400",  "-1e400",
                                    "1e-400", "9007199254740993",
                                    "3.25"};
constexpr const char* kNames[] = {"a", "b", "c", "d"};
constexpr const char* kPatterns[] = {"a.b", "a.c", "b.a", "a.b.c", "ab", "b", "a1.b", "a2.c"};
constexpr const char* kRegexes[] = {"^a",   "b$", "a.c", "^[ab]+$", "(b|c)", "^a[0-9]\\.(b|c)$",
                                    "x\\*y"};
constexpr const char* kWildcards[] = {"a*", "*b", "*a*", "a*c", "*", "*b*a*", "x\\**"};

}  // namespace

std::string SpecGen::word() { return pick(kWords); }
std::string SpecGen::number() { return pick(kNumbers); }
std::string SpecGen::pattern_text() { return pick(kPatterns); }

Scalar SpecGen::scalar() {
    switch (random_.below(8)) {
        case 0: return Scalar::null();
        case 1: return Scalar::boolean(random_.below(2) == 0);
        case 2:
        case 3:
        case 4: return Scalar::number(number());
        default: return Scalar::string(word());
    }
}

Path SpecGen::path() {
    Path path;
    const auto name = [&](const std::string& text) {
        path.steps.emplace_back();
        path.steps.back().name = text;
    };
    if (random_.below(8) == 0) {
        name("x-k");
    } else {
        name("payload");
        name(pick(kNames));
    }
    for (std::uint64_t i = random_.below(3); i > 0; --i) {
        PathStep step;
        switch (random_.below(8)) {
            case 0:
                step.kind = PathStep::Kind::kIndex;
                step.index = static_cast<std::int64_t>(random_.below(4)) - 2;
                break;
            case 1: step.kind = PathStep::Kind::kWildcard; break;
            default: step.name = pick(kNames); break;
        }
        path.steps.push_back(step);
    }
    return path;
}

Leaf SpecGen::leaf() {
    constexpr Op kOps[] = {Op::kExists,   Op::kExistsLeaf,
                           Op::kEquals,   Op::kEquals,
                           Op::kEquals,   Op::kEqualsIgnoreCase,
                           Op::kPrefix,   Op::kPrefixIgnoreCase,
                           Op::kSuffix,   Op::kSuffixIgnoreCase,
                           Op::kContains, Op::kContainsIgnoreCase,
                           Op::kWildcard, Op::kWildcardIgnoreCase,
                           Op::kRegex,    Op::kRange,
                           Op::kRange,    Op::kRange,
                           Op::kCidr};
    Leaf leaf;
    leaf.path = path();
    leaf.op = pick(kOps);
    leaf.negated = random_.below(6) == 0 && leaf.op != Op::kExists && leaf.op != Op::kExistsLeaf;
    const std::uint64_t count = 1 + random_.below(2) + (random_.below(10) == 0 ? 9 : 0);
    switch (leaf.op) {
        case Op::kExists:
        case Op::kExistsLeaf: return leaf;
        case Op::kRange: {
            const bool strings = random_.below(3) == 0;
            for (int i = 0; i < 2; ++i) {
                leaf.operands.push_back(strings ? Scalar::string(word())
                                                : Scalar::number(number()));
            }
            if (random_.below(2) == 0) leaf.operands[random_.below(2)] = Scalar::null();
            leaf.lower_inclusive = random_.below(2) == 0;
            leaf.upper_inclusive = random_.below(2) == 0;
            return leaf;
        }
        case Op::kCidr:
            leaf.operands.push_back(
                Scalar::string(random_.below(2) == 0 ? "10.0.0.0/26" : "2001:db8::/32"));
            return leaf;
        case Op::kRegex: leaf.operands.push_back(Scalar::string(pick(kRegexes))); return leaf;
        case Op::kWildcard: leaf.operands.push_back(Scalar::string(pick(kWildcards))); return leaf;
        case Op::kWildcardIgnoreCase:
            leaf.operands.push_back(Scalar::string(matcher::folded(pick(kWildcards))));
            return leaf;
        default: break;
    }
    const bool fold = leaf.op == Op::kEqualsIgnoreCase || leaf.op == Op::kPrefixIgnoreCase ||
                      leaf.op == Op::kSuffixIgnoreCase || leaf.op == Op::kContainsIgnoreCase;
    for (std::uint64_t i = 0; i < count; ++i) {
        leaf.operands.push_back(leaf.op == Op::kEquals
                                    ? scalar()
                                    : Scalar::string(fold ? matcher::folded(word()) : word()));
    }
    return leaf;
}

// NOLINTBEGIN(misc-no-recursion): depth is counted down.
Predicate SpecGen::predicate(unsigned depth) {
    const std::uint64_t kind = depth == 0 ? 0 : random_.below(10);
    if (kind < 5) return Predicate::of(leaf());
    if (kind == 9) return Predicate::negation(predicate(depth - 1));
    std::vector<Predicate> children;
    for (std::uint64_t i = 2 + random_.below(2); i > 0; --i)
        children.push_back(predicate(depth - 1));
    return kind < 8 ? Predicate::all_of(std::move(children))
                    : Predicate::any_of(std::move(children));
}

std::string SpecGen::json_value(unsigned depth) {
    const std::uint64_t kind = random_.below(depth == 0 ? 5 : 9);
    switch (kind) {
        case 0: return number();
        case 1: return random_.below(2) == 0 ? "true" : "null";
        case 2:
        case 3:
        case 4: return "\"" + word() + "\"";
        default: break;
    }
    std::string out;
    if (kind < 7) {
        for (const char* name : kNames) {
            if (random_.below(2) == 0) continue;
            out += out.empty() ? "{" : ",";
            out += std::string("\"") + name + "\":" + json_value(depth - 1);
        }
        return out.empty() ? "{}" : out + "}";
    }
    for (std::uint64_t i = random_.below(4); i > 0; --i) {
        out += out.empty() ? "[" : ",";
        out += json_value(depth - 1);
    }
    return out.empty() ? "[]" : out + "]";
}
// NOLINTEND(misc-no-recursion)

PatternPredicate SpecGen::pattern() {
    using Kind = PatternPredicate::Kind;
    switch (random_.below(8)) {
        case 0:
        case 1: return {Kind::kAny, ""};
        case 2:
        case 3: return {Kind::kExact, pattern_text()};
        case 4: return {Kind::kPrefix, pick(std::to_array({"a", "a.", "b", "ab."}))};
        case 5: return {Kind::kSuffix, pick(std::to_array({"b", ".c", "a"}))};
        case 6: return {Kind::kWildcard, pick(kWildcards)};
        default: return {Kind::kRegex, pick(kRegexes)};
    }
}

SubscriptionSpec SpecGen::spec() {
    SubscriptionSpec spec;
    spec.pattern = pattern();
    spec.predicate = random_.below(8) == 0 ? Predicate::always() : predicate(3);
    spec.priority = static_cast<std::int32_t>(random_.below(3)) - 1;
    return spec;
}

std::string SpecGen::event() {
    std::string payload;
    for (const char* name : kNames) {
        if (random_.below(4) == 0) continue;
        payload += payload.empty() ? "{" : ",";
        payload += std::string("\"") + name + "\":" + json_value(3);
    }
    if (payload.empty()) payload = "{";
    return "{\"eventId\":\"e\",\"version\":\"1\",\"timestamp\":\"2024-01-01T00:00:00Z\",\"source\":"
           "{\"type\":\"task\",\"id\":\"s\"},"
           "\"tenantId\":\"t\",\"pattern\":\"" +
           pattern_text() + "\",\"x-k\":" + json_value(2) + ",\"payload\":" + payload + "}}";
}

}  // namespace millrace::testing
