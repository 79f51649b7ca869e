#include "tests/support/brute_force.h"

#include "matcher/filter/leaf_test.h"
#include "matcher/reference_matcher.h"

#include <algorithm>
#include <map>
#include <vector>

namespace millrace::testing {
namespace {

using matcher::JsonValue;
using matcher::Leaf;
using matcher::LeafTest;
using matcher::Op;
using matcher::PathStep;
using matcher::Predicate;

std::size_t children_of(const JsonValue& value) {
    return value.elements.size() + value.members.size();
}

const JsonValue& child_of(const JsonValue& value, std::size_t i) {
    return value.is_array() ? value.elements[i] : value.members[i].value;
}

// NOLINTBEGIN(misc-no-recursion): small events only
void collect(const JsonValue& value, bool objects_too, std::vector<const JsonValue*>& out) {
    if (children_of(value) > 1 && (value.is_array() || objects_too)) out.push_back(&value);
    for (std::size_t i = 0; i < children_of(value); ++i)
        collect(child_of(value, i), objects_too, out);
}

std::size_t not_depth(const Predicate& predicate) {
    std::size_t depth = 0;
    for (const Predicate& child : predicate.children) depth = std::max(depth, not_depth(child));
    return depth + (predicate.kind == Predicate::Kind::kNot ? 1 : 0);
}

bool passes_objects(const Predicate& predicate) {
    const auto& steps = predicate.leaf.path.steps;
    return std::any_of(
               steps.begin(), steps.end(),
               [](const PathStep& step) { return step.kind == PathStep::Kind::kWildcard; }) ||
           std::any_of(predicate.children.begin(), predicate.children.end(), passes_objects);
}

class World {
public:
    World(const JsonValue& event, bool objects_too) : event_(event) {
        collect(event, objects_too, places_);
    }

    // Each level of `not` tries all choices again.
    bool too_many(std::size_t not_depth) const {
        constexpr std::size_t kLimits[] = {kChoicesMax, 60, 16, 8};
        const std::size_t limit = kLimits[std::min<std::size_t>(not_depth, 3)];
        std::size_t choices = 1;
        for (const JsonValue* place : places_) {
            choices *= children_of(*place);
            if (choices > limit) return true;
        }
        return false;
    }

    // Is there a choice?
    bool possible(const Predicate& predicate) {
        const auto outer = choice_;
        choice_.clear();
        for (const JsonValue* place : places_) choice_[place] = 0;
        bool found = false;
        do {
            found = holds(predicate);
        } while (!found && next_choice());
        choice_ = outer;
        return found;
    }

private:
    bool next_choice() {
        for (const JsonValue* place : places_) {
            if (++choice_[place] < children_of(*place)) return true;
            choice_[place] = 0;
        }
        return false;
    }

    bool holds(const Predicate& predicate) {
        const auto& children = predicate.children;
        const auto holds_too = [&](const Predicate& child) { return holds(child); };
        switch (predicate.kind) {
            case Predicate::Kind::kTrue: return true;
            case Predicate::Kind::kFalse: return false;
            case Predicate::Kind::kAnd:
                return std::all_of(children.begin(), children.end(), holds_too);
            case Predicate::Kind::kOr:
                return std::any_of(children.begin(), children.end(), holds_too);
            case Predicate::Kind::kNot: return !possible(children.front());
            case Predicate::Kind::kLeaf: return leaf_holds(predicate.leaf, event_, 0);
        }
        return false;
    }

    const JsonValue* chosen(const JsonValue& value) {
        if (children_of(value) == 0) return nullptr;
        return &child_of(value, children_of(value) == 1 ? 0 : choice_.at(&value));
    }

    bool leaf_holds(const Leaf& leaf, const JsonValue& value, std::size_t at) {
        if (at == leaf.path.steps.size()) return value_holds(leaf, value);
        const PathStep& step = leaf.path.steps[at];
        const JsonValue* next = nullptr;
        if (step.kind == PathStep::Kind::kName) {
            if (value.is_array()) {
                next = chosen(value);
                return next != nullptr && leaf_holds(leaf, *next, at);
            }
            next = value.find(step.name);
        } else if (step.kind == PathStep::Kind::kIndex) {
            const auto size = static_cast<std::int64_t>(value.elements.size());
            const std::int64_t index = step.index < 0 ? step.index + size : step.index;
            if (index >= 0 && index < size) next = &value.elements[static_cast<std::size_t>(index)];
        } else if (at + 1 < leaf.path.steps.size()) {
            next = chosen(value);
        } else {
            for (std::size_t i = 0; i < children_of(value); ++i) {
                if (value_holds(leaf, child_of(value, i))) return true;
            }
            return false;
        }
        return next != nullptr && leaf_holds(leaf, *next, at + 1);
    }

    bool value_holds(const Leaf& leaf, const JsonValue& value) {
        if (leaf.op == Op::kExists) return true;
        if (value.is_scalar()) {
            auto test = tests_.find(&leaf);
            if (test == tests_.end())
                test = tests_.emplace(&leaf, LeafTest::compile(leaf).value()).first;
            return test->second.holds_for(value);
        }
        return std::any_of(value.elements.begin(), value.elements.end(),
                           [&](const JsonValue& element) { return value_holds(leaf, element); });
    }

    const JsonValue& event_;
    std::vector<const JsonValue*> places_;
    std::map<const JsonValue*, std::size_t> choice_;
    std::map<const Leaf*, LeafTest> tests_;
};
// NOLINTEND(misc-no-recursion)

}  // namespace

std::optional<bool> brute_force_matches(const matcher::SubscriptionSpec& spec,
                                        const JsonValue& event) {
    const Predicate whole =
        Predicate::all_of({matcher::pattern_condition(spec.pattern), spec.predicate});
    World world(event, passes_objects(whole));
    if (world.too_many(not_depth(whole))) return {};
    return world.possible(whole);
}

}  // namespace millrace::testing
