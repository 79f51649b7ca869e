#include "matcher/index/element_choice.h"

#include <algorithm>

namespace millrace::matcher {

namespace {

class Choice {
public:
    Choice(const core::FieldTable& fields, ChoiceScratch& scratch)
        : fields_(fields), elements_(scratch.elements), stack_(scratch.conditions) {}

    // The frame from `first` to the top: consumed.
    bool solve(std::size_t first);

    void push_copy(std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const ChoiceCondition condition = stack_[i];  // the stack may move
            stack_.push_back(condition);
        }
    }

private:
    // The element right below `base` on the way to `element`.
    std::uint32_t step_towards(std::uint32_t element, std::uint32_t base) const {
        while (fields_.element(element).parent != base) element = fields_.element(element).parent;
        return element;
    }
    std::uint32_t index_at(const ChoiceCondition& condition, std::uint32_t at) const {
        return fields_.element(step_towards(elements_[at], condition.base)).index;
    }
    // Leaves out what holds whatever is chosen; sorts the rest by where its array begins.
    std::size_t arrange(std::size_t first);
    bool solve_rest(std::size_t rest);
    bool solve_in_array(std::size_t first, std::size_t rest);
    bool push_element(std::size_t at, std::uint32_t index);

    const core::FieldTable& fields_;
    const std::vector<std::uint32_t>& elements_;
    std::vector<ChoiceCondition>& stack_;
};

std::size_t Choice::arrange(std::size_t first) {
    std::size_t kept = first;
    for (std::size_t i = first; i < stack_.size(); ++i) {
        ChoiceCondition condition = stack_[i];
        const std::uint32_t element = elements_[condition.begin];
        if (element == condition.base) continue;
        condition.container = fields_.element(step_towards(element, condition.base)).container;
        condition.cursor = condition.begin;
        stack_[kept++] = condition;
    }
    stack_.resize(kept);
    std::sort(stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end(),
              [](const auto& a, const auto& b) { return a.container < b.container; });
    std::size_t rest = first;
    while (rest < stack_.size() && stack_[rest].container == stack_[first].container) ++rest;
    return rest;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the event's arrays (kJsonDepthMax).

// No other array begins before the first one's, so none holds it: what is chosen there concerns
// the others only where they lie inside it.
bool Choice::solve(std::size_t first) {
    const std::size_t rest = arrange(first);
    bool found = stack_.size() - first < 2;
    if (!found && solve_rest(rest)) {
        const bool alone = rest - first == 1 && fields_.is_tree();
        found = alone || solve_in_array(first, rest);
    }
    stack_.resize(first);
    return found;
}

bool Choice::solve_rest(std::size_t rest) {
    const std::size_t top = stack_.size();
    if (top - rest < 2) return true;
    push_copy(rest, top);
    return solve(top);
}

// The conditions in [first, rest) choose in one array; those behind are satisfiable by themselves.
bool Choice::solve_in_array(std::size_t first, std::size_t rest) {
    const std::size_t top = stack_.size();
    while (stack_[first].cursor < stack_[first].end) {
        const ChoiceCondition leader = stack_[first];
        const std::uint32_t chosen = step_towards(elements_[leader.cursor], leader.base);
        const core::FieldElement element = fields_.element(chosen);
        bool all = true;
        for (std::size_t i = first; i < rest && all; ++i) all = push_element(i, element.index);
        for (std::size_t i = rest; i < top && all && !fields_.is_tree(); ++i) {
            const ChoiceCondition other = stack_[i];
            if (other.container >= element.begin && other.container < element.end)
                stack_.push_back(other);
        }
        if (all && solve(top)) return true;
        stack_.resize(top);
    }
    return false;
}

// What condition `at` has below the element of this index goes on top of the stack.
bool Choice::push_element(std::size_t at, std::uint32_t index) {
    ChoiceCondition& condition = stack_[at];
    std::uint32_t& cursor = condition.cursor;
    while (cursor < condition.end && index_at(condition, cursor) < index) ++cursor;
    if (cursor == condition.end) return false;
    ChoiceCondition below = condition;
    below.begin = cursor;
    below.base = step_towards(elements_[cursor], condition.base);
    if (fields_.element(below.base).index != index) return false;
    while (cursor < condition.end && step_towards(elements_[cursor], condition.base) == below.base)
        ++cursor;
    below.end = cursor;
    stack_.push_back(below);
    return true;
}

// NOLINTEND(misc-no-recursion)

}  // namespace

bool can_choose(const core::FieldTable& fields, ChoiceScratch& scratch, std::size_t first) {
    const std::size_t top = scratch.conditions.size();
    if (top - first < 2) return true;
    Choice choice(fields, scratch);
    choice.push_copy(first, top);
    return choice.solve(top);
}

}  // namespace millrace::matcher
