#include "matcher/index/evaluator.h"

#include <algorithm>

namespace millrace::matcher {

bool Evaluator::holds(const Token* program) {
    root_ = program;
    if (fields_.has_elements()) {
        ++scratch_.evaluation;
        scratch_.choice.elements.clear();
        scratch_.choice.conditions.clear();
        scratch_.bits.reset();
        picked_ = 0;
        has_choice_ = false;
    }
    if (!relaxed(program)) return false;
    // Where no array of objects was passed, or one condition is all there is, nothing has to
    // combine.
    return !fields_.has_elements() || positive_leaves(program) < 2 || scope(program);
}

// NOLINTBEGIN(misc-no-recursion): as deep as the predicate has conditions (kFilterLeavesMax).

// Without regard to array elements, except inside a kNot, which is a scope of its own.
bool Evaluator::relaxed(const Token* program) {
    const Token token = *program;
    const Token* child = program + 1;
    switch (kind_of(token)) {
        case TokenKind::kTrue: return true;
        case TokenKind::kFalse: return false;
        case TokenKind::kLeaf: return store_.holds(number_of(token), fields_, scratch_);
        case TokenKind::kNot: return !closed(program);
        case TokenKind::kAnd:
            for (std::uint32_t i = number_of(token); i > 0; --i) {
                if (!relaxed(child)) return false;
                child = skip_subtree(child);
            }
            return true;
        case TokenKind::kOr:
            for (std::uint32_t i = number_of(token); i > 0; --i) {
                if (relaxed(child)) return true;
                child = skip_subtree(child);
            }
            return false;
    }
    return false;
}

// What a kNot denies, decided once for the event.
bool Evaluator::closed(const Token* negation) {
    const Token* program = negation + 1;
    if (!fields_.has_elements()) return relaxed(program);
    if (const Known* known = known_of(negation)) return known->state == Known::State::kFree;
    const bool holds = relaxed(program) && (positive_leaves(program) < 2 || scope(program));
    Known& known = scratch_.known[static_cast<std::size_t>(negation - root_)];
    known.evaluation = scratch_.evaluation;
    known.state = holds ? Known::State::kFree : Known::State::kNo;
    return holds;
}

bool Evaluator::scope(const Token* program) {
    const std::size_t outer = picked_;
    picked_ = scratch_.choice.conditions.size();
    const Goal goal{program, 1, nullptr};
    const bool found = search(&goal);
    picked_ = outer;
    return found;
}

// Picks one alternative of each kOr; the stack holds the conditions that bind.
bool Evaluator::search(const Goal* goals) {
    if (!goals) return combine();
    const Token* token = goals->program;
    Goal behind{nullptr, 0, goals->next};
    const Goal* next = goals->next;
    if (goals->count > 1) {
        behind.program = skip_subtree(token);
        behind.count = goals->count - 1;
        next = &behind;
    }
    switch (kind_of(*token)) {
        case TokenKind::kTrue: return search(next);
        case TokenKind::kFalse: return false;
        case TokenKind::kNot: return !closed(token) && search(next);
        case TokenKind::kLeaf: return pick(token, condition(token), next);
        case TokenKind::kOr: return search_or(token, next);
        case TokenKind::kAnd: {
            if (number_of(*token) == 0) return search(next);
            const Goal inner{token + 1, number_of(*token), next};
            return search(&inner);
        }
    }
    return false;
}

bool Evaluator::search_or(const Token* token, const Goal* next) {
    has_choice_ = true;
    // What is picked already must fit together, or no alternative helps.
    if (!combine()) return false;
    const Token* siblings = token + 1;
    const Token* child = siblings;
    for (std::uint32_t i = number_of(*token); i > 0; --i) {
        if (kind_of(*child) == TokenKind::kLeaf) {
            if (pick(child, alternative(child, child, i), next)) return true;
        } else {
            const Goal inner{child, 1, next};
            if (search(&inner)) return true;
        }
        child = skip_subtree(child);
    }
    return false;
}

// By value: the search below asks about other tokens, and what is known of them may move.
bool Evaluator::pick(const Token* token, const Known& found, const Goal* next) {
    const Known known = found;
    if (known.state == Known::State::kFree) return search(next);
    if (known.state != Known::State::kTied) return false;
    auto& picked = scratch_.choice.conditions;
    picked.push_back({known.begin, known.end, core::kNoElement, 0, 0,
                      static_cast<std::uint32_t>(token - root_)});
    const bool holds = search(next);
    picked.pop_back();
    return holds;
}

// NOLINTEND(misc-no-recursion)

bool Evaluator::combine() {
    if (scratch_.choice.conditions.size() - picked_ < 2) return true;
    if (has_choice_ && scratch_.bits.can_decide(fields_)) return combine_by_bits();
    return can_choose(fields_, scratch_.choice, picked_);
}

// Each condition becomes a set of bits once, however many alternatives it is part of.
bool Evaluator::combine_by_bits() {
    scratch_.sets.clear();
    const auto& picked = scratch_.choice.conditions;
    for (std::size_t i = picked_; i < picked.size(); ++i) {
        Known& known = scratch_.known[picked[i].owner];
        if (known.bits == ElementBits::kNone) {
            const std::uint32_t* const elements = scratch_.choice.elements.data();
            known.bits = scratch_.bits.add(fields_, {elements + known.begin, elements + known.end});
        }
        scratch_.sets.push_back(known.bits);
    }
    return scratch_.bits.agree(scratch_.sets);
}

// What this evaluation has found out about a token, or null.
Evaluator::Known* Evaluator::known_of(const Token* token) {
    const auto at = static_cast<std::size_t>(token - root_);
    if (at >= scratch_.known.size()) scratch_.known.resize(at + 1);
    Known& known = scratch_.known[at];
    return known.evaluation == scratch_.evaluation ? &known : nullptr;
}

const Evaluator::Known& Evaluator::condition(const Token* token) {
    if (const Known* known = known_of(token)) return *known;
    Known& known = scratch_.known[static_cast<std::size_t>(token - root_)];
    known.evaluation = scratch_.evaluation;
    known.begin = static_cast<std::uint32_t>(scratch_.choice.elements.size());
    known.state = collect(number_of(*token));
    known.end = static_cast<std::uint32_t>(scratch_.choice.elements.size());
    known.bits = ElementBits::kNone;
    return known;
}

// Alternatives on one path are one condition: some value satisfies one of them. The first of them
// answers for those behind it.
const Evaluator::Known& Evaluator::alternative(const Token* token, const Token* siblings,
                                               std::uint32_t count) {
    if (const Known* known = known_of(token)) return *known;
    Known merged = condition(token);
    auto& elements = scratch_.choice.elements;
    const std::uint32_t slot = store_.record(number_of(*token)).slot;
    bool several = false;
    for (; count > 0; --count, siblings = skip_subtree(siblings)) {
        if (siblings == token || kind_of(*siblings) != TokenKind::kLeaf) continue;
        const LeafId leaf = number_of(*siblings);
        if (store_.record(leaf).slot != slot) continue;
        known_of(siblings);
        Known& other = scratch_.known[static_cast<std::size_t>(siblings - root_)];
        other.evaluation = scratch_.evaluation;
        other.state = Known::State::kMerged;
        if (merged.state == Known::State::kFree) continue;
        const std::size_t before = elements.size();
        const Known::State state = collect(leaf);
        if (state == Known::State::kFree) elements.resize(before);
        if (state == Known::State::kNo) continue;
        several = several || merged.state == Known::State::kTied;
        merged.state = state;
    }
    const auto begin = elements.begin() + static_cast<std::ptrdiff_t>(merged.begin);
    if (several && merged.state == Known::State::kTied) {
        std::sort(begin, elements.end());
        elements.erase(std::unique(begin, elements.end()), elements.end());
    }
    merged.end = static_cast<std::uint32_t>(elements.size());
    merged.bits = ElementBits::kNone;
    return scratch_.known[static_cast<std::size_t>(token - root_)] = merged;
}

// Appends the elements in which values satisfy the condition; none when one does outside of all
// arrays.
Evaluator::Known::State Evaluator::collect(LeafId leaf) {
    auto& elements = scratch_.choice.elements;
    const std::size_t begin = elements.size();
    const LeafStore::Record& record = store_.record(leaf);
    for (const core::FieldValue* v = fields_.first(record.slot); v; v = fields_.next(*v)) {
        if (!store_.holds_for(record, *v, scratch_)) continue;
        if (v->element == core::kNoElement) {
            elements.resize(begin);
            return Known::State::kFree;
        }
        if (elements.size() == begin || elements.back() != v->element)
            elements.push_back(v->element);
    }
    return elements.size() == begin ? Known::State::kNo : Known::State::kTied;
}

}  // namespace millrace::matcher
