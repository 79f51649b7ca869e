#include "matcher/explain_hint.h"

#include "core/listed.h"
#include "matcher/filter/case_fold.h"
#include "matcher/filter/leaf_test.h"
#include "matcher/filter/number.h"
#include "matcher/subscription_spec.h"

#include <algorithm>

namespace millrace::matcher {
namespace {

// Looks through the event for a member of this name, exact or but for its case.
class MemberSearch {
public:
    explicit MemberSearch(std::string_view name) : name_(name), folded_(folded(name)) {}

    void run(const JsonValue& event) { walk(event); }
    bool exact_found() const { return !exact_.steps.empty(); }
    bool folded_found() const { return !other_case_.steps.empty(); }
    std::string exact() const { return to_text(exact_); }
    std::string other_case() const { return to_text(other_case_); }

private:
    // NOLINTNEXTLINE(misc-no-recursion): as deep as the event, which its parser bounded
    void walk(const JsonValue& value) {
        if (exact_found() || budget_ == 0) return;
        --budget_;
        for (const JsonMember& member : value.members) {
            PathStep step;
            step.name = member.name;
            at_.steps.push_back(std::move(step));
            if (member.name == name_ && !exact_found()) exact_ = at_;
            if (member.name != name_ && !folded_found() && folded(member.name) == folded_) {
                other_case_ = at_;
            }
            walk(member.value);
            at_.steps.pop_back();
        }
        for (const JsonValue& element : value.elements) walk(element);
    }

    std::string_view name_;
    std::string folded_;
    Path at_;
    Path exact_;
    Path other_case_;
    std::size_t budget_ = kHintNodesMax;
};

std::string absent_hint(const Leaf& leaf, const JsonValue& event) {
    std::string hint = "absent";
    const PathStep& last = leaf.path.steps.back();
    if (last.kind == PathStep::Kind::kName) {
        MemberSearch search(last.name);
        search.run(event);
        if (search.exact_found()) {
            hint += "; there is " + search.exact();
        } else if (search.folded_found()) {
            hint += "; there is " + search.other_case() + " (differs in case)";
        }
    }
    if (leaf.negated) hint += "; a negated operator needs a value, !(...) would hold";
    return hint;
}

std::string_view wanted_type(const Leaf& leaf) {
    if (leaf.op == Op::kEquals || leaf.op == Op::kRange) {
        for (const Scalar& operand : leaf.operands) {
            if (operand.is_number()) return "a number";
            if (operand.is_string()) return "a string";
            if (operand.type == Scalar::Type::kTrue || operand.type == Scalar::Type::kFalse) {
                return "a boolean";
            }
        }
        return "null";
    }
    return "a string";
}

// All operands of one type that no value has.
bool all_other_type(const Leaf& leaf, const std::vector<const JsonValue*>& values) {
    const std::string_view wanted = wanted_type(leaf);
    return std::none_of(values.begin(), values.end(),
                        [&](const JsonValue* value) { return type_name(value->type) == wanted; });
}

// The same leaf with values and operands made alike by `change`.
template <typename Change>
bool would_hold(const Leaf& leaf, const std::vector<const JsonValue*>& values, Change change) {
    Leaf changed = leaf;
    for (Scalar& operand : changed.operands) operand.text = change(operand.text);
    const auto test = LeafTest::compile(changed);
    if (!test) return false;
    return std::any_of(values.begin(), values.end(), [&](const JsonValue* value) {
        if (!value->is_string()) return false;
        JsonValue alike = *value;
        alike.text = change(value->text);
        return test->holds_for(alike);
    });
}

std::string text_hint(const Leaf& leaf, const std::vector<const JsonValue*>& values) {
    const auto is_text = [](const Scalar& operand) { return operand.is_string(); };
    if (leaf.negated || leaf.op == Op::kRange || leaf.op == Op::kRegex || leaf.op == Op::kCidr ||
        !std::all_of(leaf.operands.begin(), leaf.operands.end(), is_text)) {
        return {};
    }
    if (would_hold(leaf, values, [](std::string_view text) { return folded(text); })) {
        return "differs in case";
    }
    if (would_hold(leaf, values,
                   [](std::string_view text) { return std::string(core::trimmed(text)); })) {
        return "differs in white space at the ends";
    }
    const bool affix = leaf.op == Op::kPrefix || leaf.op == Op::kSuffix || leaf.op == Op::kEquals;
    Leaf part = leaf;
    part.op = Op::kContains;
    const auto test = LeafTest::compile(part);
    const auto holds = [&](const JsonValue* value) {
        return value->is_string() && test->holds_for(*value);
    };
    if (affix && test && std::any_of(values.begin(), values.end(), holds)) {
        return "the text is inside the value";
    }
    return {};
}

std::string object_hint(const std::vector<const JsonValue*>& nodes) {
    const JsonValue& node = *nodes.front();
    if (node.is_array()) return "an empty array has no value";
    std::string hint = "an object has no value of its own";
    for (std::size_t i = 0; i < node.members.size() && i < 8; ++i) {
        hint += i == 0 ? "; its members are " : ", ";
        hint += node.members[i].name.substr(0, 64);
    }
    return hint;
}

}  // namespace

std::string hint_for(const Leaf& leaf, const JsonValue& event,
                     const std::vector<const JsonValue*>& nodes,
                     const std::vector<const JsonValue*>& values) {
    if (nodes.empty()) return absent_hint(leaf, event);
    if (values.empty()) return object_hint(nodes);
    if (leaf.negated) return "no value differs";
    if (leaf.operands.empty()) return {};
    if (all_other_type(leaf, values)) {
        return "the value is " + std::string(type_name(values.front()->type)) +
               ", the condition wants " + std::string(wanted_type(leaf));
    }
    return text_hint(leaf, values);
}

}  // namespace millrace::matcher
