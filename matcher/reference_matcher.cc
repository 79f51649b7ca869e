#include "matcher/reference_matcher.h"

#include "matcher/filter/leaf_test.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace millrace::matcher {

// The predicate with its tests compiled. A kLeaf may hold several tests on one path: an `or` of
// them is one condition, since "some value satisfies one of them" needs no choice between
// alternatives.
struct ReferenceMatcher::Node {
    Predicate::Kind kind = Predicate::Kind::kTrue;
    std::vector<Node> children;
    std::vector<LeafTest> tests;

    const Path& path() const { return tests.front().leaf().path; }
};

namespace {

using Node = ReferenceMatcher::Node;
using Kind = Predicate::Kind;

core::Status add_test(std::vector<LeafTest>& tests, const Leaf& leaf) {
    auto test = LeafTest::compile(leaf);
    if (!test) return core::fail(std::move(test.error()));
    tests.push_back(std::move(*test));
    return {};
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
core::Status build(const Predicate& predicate, Node& out) {
    out.kind = predicate.kind;
    if (predicate.kind == Kind::kLeaf) return add_test(out.tests, predicate.leaf);
    for (const Predicate& child : predicate.children) {
        Node* same_path = nullptr;
        if (predicate.kind == Kind::kOr && child.kind == Kind::kLeaf) {
            for (Node& sibling : out.children) {
                if (sibling.kind == Kind::kLeaf && sibling.path() == child.leaf.path)
                    same_path = &sibling;
            }
        }
        core::Status built;
        if (same_path != nullptr) {
            built = add_test(same_path->tests, child.leaf);
        } else {
            out.children.emplace_back();
            built = build(child, out.children.back());
        }
        if (!built) return built;
    }
    return {};
}

// Does a value at this place satisfy the condition? Elements of arrays are values too.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
bool holds_here(const JsonValue& value, const Node& condition) {
    const auto by_test = [&](const LeafTest& test) {
        if (test.leaf().op == Op::kExists) return true;
        return value.is_scalar() && test.holds_for(value);
    };
    if (std::any_of(condition.tests.begin(), condition.tests.end(), by_test)) return true;
    return std::any_of(value.elements.begin(), value.elements.end(),
                       [&](const JsonValue& element) { return holds_here(element, condition); });
}

// A condition on its way down: the next step of its path to take.
struct Token {
    const Node* condition;
    std::size_t step;
};

// Where the tokens at one value go next.
struct Split {
    std::map<const JsonValue*, std::vector<Token>> fixed;  // to this one child
    std::vector<Token> free;  // all together to one child of our choice
};

// One token at `value`, which is no scalar. False: its condition cannot hold.
bool route(const JsonValue& value, Token token, Split& split) {
    const std::vector<PathStep>& steps = token.condition->path().steps;
    const PathStep& step = steps[token.step];
    const Token next{token.condition, token.step + 1};
    if (step.kind == PathStep::Kind::kName) {
        if (value.is_array()) {
            split.free.push_back(token);
            return true;
        }
        const JsonValue* child = value.find(step.name);
        if (child != nullptr) split.fixed[child].push_back(next);
        return child != nullptr;
    }
    if (step.kind == PathStep::Kind::kIndex) {
        const auto size = static_cast<std::int64_t>(value.elements.size());
        const std::int64_t index = step.index < 0 ? size + step.index : step.index;
        if (index < 0 || index >= size) return false;
        split.fixed[&value.elements[static_cast<std::size_t>(index)]].push_back(next);
        return true;
    }
    if (next.step < steps.size()) {
        split.free.push_back(next);
        return true;
    }
    const auto holds = [&](const JsonValue& child) { return holds_here(child, *token.condition); };
    return std::any_of(value.elements.begin(), value.elements.end(), holds) ||
           std::any_of(value.members.begin(), value.members.end(),
                       [&](const JsonMember& member) { return holds(member.value); });
}

// Do all the conditions hold below `value` with one choice of element for each array they pass?
// Children share no array, so each child's conditions are decided for themselves.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
bool consistent(const JsonValue& value, const std::vector<Token>& tokens) {
    Split split;
    for (Token token : tokens) {
        if (token.step == token.condition->path().steps.size()) {
            if (!holds_here(value, *token.condition)) return false;
        } else if (value.is_scalar() || !route(value, token, split)) {
            return false;
        }
    }
    std::vector<const JsonValue*> failing;
    for (const auto& [child, group] : split.fixed) {
        if (!consistent(*child, group)) failing.push_back(child);
    }
    if (!failing.empty()) return false;  // more conditions at that child cannot mend it
    if (split.free.empty()) return true;
    const auto chosen = [&](const JsonValue& child) {
        std::vector<Token> group = split.free;
        const auto also = split.fixed.find(&child);
        if (also != split.fixed.end())
            group.insert(group.end(), also->second.begin(), also->second.end());
        return consistent(child, group);
    };
    return std::any_of(value.elements.begin(), value.elements.end(), chosen) ||
           std::any_of(value.members.begin(), value.members.end(),
                       [&](const JsonMember& member) { return chosen(member.value); });
}

// Picks one alternative of each `or`, then asks whether the picked conditions hold together.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
bool search(const JsonValue& event, std::vector<const Node*> pending, std::vector<Token> picked) {
    while (!pending.empty()) {
        const Node* node = pending.back();
        pending.pop_back();
        switch (node->kind) {
            case Kind::kTrue: break;
            case Kind::kFalse: return false;
            case Kind::kAnd:
                for (const Node& child : node->children) pending.push_back(&child);
                break;
            case Kind::kNot:
                if (search(event, {&node->children.front()}, {})) return false;
                break;
            case Kind::kLeaf:
                if (!consistent(event, {Token{node, 0}})) return false;
                picked.push_back({node, 0});
                break;
            case Kind::kOr:
                // What is picked already must fit together, or no alternative helps.
                if (!consistent(event, picked)) return false;
                return std::any_of(node->children.begin(), node->children.end(),
                                   [&](const Node& child) {
                                       std::vector<const Node*> with_child = pending;
                                       with_child.push_back(&child);
                                       return search(event, std::move(with_child), picked);
                                   });
        }
    }
    return consistent(event, picked);
}

}  // namespace

Predicate pattern_condition(const PatternPredicate& pattern) {
    using PatternKind = PatternPredicate::Kind;
    if (pattern.kind == PatternKind::kAny) return Predicate::always();
    Leaf leaf;
    leaf.path.steps.emplace_back();
    leaf.path.steps.front().name = "pattern";
    switch (pattern.kind) {
        case PatternKind::kPrefix: leaf.op = Op::kPrefix; break;
        case PatternKind::kSuffix: leaf.op = Op::kSuffix; break;
        case PatternKind::kWildcard: leaf.op = Op::kWildcard; break;
        case PatternKind::kRegex: leaf.op = Op::kRegex; break;
        default: leaf.op = Op::kEquals; break;
    }
    leaf.operands.push_back(Scalar::string(pattern.value));
    return Predicate::of(std::move(leaf));
}

ReferenceMatcher::ReferenceMatcher(std::unique_ptr<Node> root) : root_(std::move(root)) {}
ReferenceMatcher::ReferenceMatcher(ReferenceMatcher&&) noexcept = default;
ReferenceMatcher& ReferenceMatcher::operator=(ReferenceMatcher&&) noexcept = default;
ReferenceMatcher::~ReferenceMatcher() = default;

core::Result<ReferenceMatcher> ReferenceMatcher::compile(const SubscriptionSpec& spec) {
    auto root = std::make_unique<Node>();
    auto built = build(Predicate::all_of({pattern_condition(spec.pattern), spec.predicate}), *root);
    if (!built) return core::fail(std::move(built.error()));
    return ReferenceMatcher(std::move(root));
}

bool ReferenceMatcher::matches(const JsonValue& event) const {
    return search(event, {root_.get()}, {});
}

}  // namespace millrace::matcher
