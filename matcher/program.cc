#include "matcher/program.h"

#include <algorithm>

namespace millrace::matcher {

namespace {

// A search that chooses elements takes few steps on any honest event; the bound keeps a shard from
// standing still on a dishonest one.
constexpr std::size_t kSearchStepsMax = 4'000'000;

bool is_group(TokenKind kind) {
    return kind == TokenKind::kAnd || kind == TokenKind::kOr || kind == TokenKind::kNot;
}

}  // namespace

const Token* skip_subtree(const Token* program) {
    for (std::size_t open = 1; open > 0; --open) {
        const Token token = *program++;
        if (is_group(kind_of(token))) open += number_of(token);
    }
    return program;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the predicate (kFilterDepthMax) or the event's arrays.

std::size_t positive_leaves(const Token* program) {
    const TokenKind kind = kind_of(*program);
    if (kind == TokenKind::kLeaf) return 1;
    if (kind != TokenKind::kAnd && kind != TokenKind::kOr) return 0;
    std::size_t sum = 0;
    const Token* child = program + 1;
    for (std::uint32_t i = number_of(*program); i > 0; --i) {
        sum += positive_leaves(child);
        child = skip_subtree(child);
    }
    return sum;
}

core::Status encode(const Predicate& predicate, LeafStore& store,
                    const std::function<std::uint32_t(const Path&)>& slot_of,
                    HugeVector<Token>& out) {
    switch (predicate.kind) {
        case Predicate::Kind::kTrue: out.push_back(make_token(TokenKind::kTrue, 0)); return {};
        case Predicate::Kind::kFalse: out.push_back(make_token(TokenKind::kFalse, 0)); return {};
        case Predicate::Kind::kLeaf: {
            auto leaf = store.add(predicate.leaf, slot_of(predicate.leaf.path));
            if (!leaf) return core::fail(std::move(leaf.error()));
            out.push_back(make_token(TokenKind::kLeaf, *leaf));
            return {};
        }
        default: break;
    }
    const TokenKind kind = predicate.kind == Predicate::Kind::kAnd  ? TokenKind::kAnd
                           : predicate.kind == Predicate::Kind::kOr ? TokenKind::kOr
                                                                    : TokenKind::kNot;
    out.push_back(make_token(kind, static_cast<std::uint32_t>(predicate.children.size())));
    for (const Predicate& child : predicate.children) {
        if (core::Status encoded = encode(child, store, slot_of, out); !encoded) return encoded;
    }
    return {};
}

bool Evaluator::holds(const Token* program) {
    if (!relaxed(program)) return false;
    // Where no array of objects was passed, or one condition is all there is, nothing has to
    // combine.
    if (!fields_.has_elements() || positive_leaves(program) < 2) return true;
    std::vector<Candidates> outer;
    outer.swap(picked_);
    const Goal goal{program, nullptr};
    const bool found = search(&goal);
    picked_.swap(outer);
    return found;
}

// Without regard to array elements, except inside a kNot, which is a scope of its own.
bool Evaluator::relaxed(const Token* program) {
    const Token token = *program;
    const Token* child = program + 1;
    switch (kind_of(token)) {
        case TokenKind::kTrue: return true;
        case TokenKind::kFalse: return false;
        case TokenKind::kLeaf: return store_.holds(number_of(token), fields_, scratch_);
        case TokenKind::kNot: return !holds(child);
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

// Picks one alternative of each kOr; picked_ holds the conditions that bind.
bool Evaluator::search(const Goal* goals) {
    if (!goals) return combine();
    if (++steps_ > kSearchStepsMax) return false;
    const Token token = *goals->program;
    const Token* child = goals->program + 1;
    switch (kind_of(token)) {
        case TokenKind::kTrue: return search(goals->next);
        case TokenKind::kFalse: return false;
        case TokenKind::kNot: return !holds(child) && search(goals->next);
        case TokenKind::kLeaf: {
            Candidates candidates;
            if (!collect(number_of(token), candidates)) return false;
            if (candidates.elements.empty()) return search(goals->next);
            picked_.push_back(std::move(candidates));
            const bool found = search(goals->next);
            picked_.pop_back();
            return found;
        }
        case TokenKind::kOr:
            // What is picked already must fit together, or no alternative helps.
            if (!combine()) return false;
            for (std::uint32_t i = number_of(token); i > 0; --i) {
                const Goal goal{child, goals->next};
                if (search(&goal)) return true;
                child = skip_subtree(child);
            }
            return false;
        case TokenKind::kAnd: {
            // The operands one behind the other in front of what is left.
            std::vector<Goal> chain(number_of(token));
            for (std::size_t i = 0; i < chain.size(); ++i) {
                chain[i] = {child, i + 1 < chain.size() ? &chain[i + 1] : goals->next};
                child = skip_subtree(child);
            }
            return search(chain.empty() ? goals->next : chain.data());
        }
    }
    return false;
}

// The elements in which a value satisfies the condition; none when one does outside of all arrays.
// False when no value does.
bool Evaluator::collect(LeafId leaf, Candidates& out) {
    const LeafStore::Record& record = store_.record(leaf);
    bool any = false;
    for (const core::FieldValue* v = fields_.first(record.slot); v; v = fields_.next(*v)) {
        if (!store_.holds_for(record, *v, scratch_)) continue;
        any = true;
        if (v->element == core::kNoElement) {
            out.elements.clear();
            return true;
        }
        if (out.elements.empty() || out.elements.back() != v->element)
            out.elements.push_back(v->element);
    }
    return any;
}

// Can one element be chosen for each picked condition so that no two differ in one array?
bool Evaluator::combine() {
    if (picked_.size() < 2) return true;
    if (fields_.is_tree()) return combine_below(core::kNoElement, picked_);
    return combine_pairs(0);
}

// Plain search, for events in which one array was reached by several kinds of steps.
bool Evaluator::combine_pairs(std::size_t next) {
    if (next == picked_.size()) return true;
    for (const std::uint32_t element : picked_[next].elements) {
        if (++steps_ > kSearchStepsMax) return false;
        const bool fits = std::all_of(chosen_.begin(), chosen_.end(), [&](std::uint32_t other) {
            return fields_.consistent(element, other);
        });
        if (!fits) continue;
        chosen_.push_back(element);
        const bool found = combine_pairs(next + 1);
        chosen_.pop_back();
        if (found) return true;
    }
    return false;
}

// The element right below `parent` on the way to `element`.
std::uint32_t Evaluator::step_towards(std::uint32_t element, std::uint32_t parent) const {
    while (fields_.element(element).parent != parent) element = fields_.element(element).parent;
    return element;
}

// All candidates sit at or below `parent`. What sits right there is free; the others choose an
// element of their array, and different arrays do not disturb each other.
bool Evaluator::combine_below(std::uint32_t parent, std::vector<Candidates> candidates) {
    std::erase_if(candidates, [&](const Candidates& c) {
        return std::find(c.elements.begin(), c.elements.end(), parent) != c.elements.end();
    });
    return candidates.empty() || combine_containers(parent, candidates);
}

bool Evaluator::combine_containers(std::uint32_t parent, std::vector<Candidates>& candidates) {
    const auto container_of = [&](std::uint32_t element) {
        return fields_.element(step_towards(element, parent)).container;
    };
    // A condition met in several arrays (arrays of arrays) must choose one of them first.
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const std::uint32_t first = container_of(candidates[i].elements.front());
        const auto elsewhere = [&](std::uint32_t e) { return container_of(e) != first; };
        const auto here = [&](std::uint32_t e) { return container_of(e) == first; };
        const auto& all = candidates[i].elements;
        if (std::none_of(all.begin(), all.end(), elsewhere)) continue;
        if (++steps_ > kSearchStepsMax) return false;
        std::vector<Candidates> chosen = candidates;
        std::erase_if(chosen[i].elements, elsewhere);
        if (combine_containers(parent, chosen)) return true;
        chosen = candidates;
        std::erase_if(chosen[i].elements, here);
        return combine_containers(parent, chosen);
    }
    // One array each: decide array by array.
    while (!candidates.empty()) {
        const std::uint32_t container = container_of(candidates.front().elements.front());
        const auto mine = std::stable_partition(
            candidates.begin(), candidates.end(),
            [&](const Candidates& c) { return container_of(c.elements.front()) != container; });
        const std::vector<Candidates> group(mine, candidates.end());
        candidates.erase(mine, candidates.end());
        if (group.size() > 1 && !combine_in_array(parent, group)) return false;
    }
    return true;
}

// Is there an element of this array below which the whole group can be satisfied? The lists are in
// the order of the text, so those of one element stand together.
bool Evaluator::combine_in_array(std::uint32_t parent, const std::vector<Candidates>& group) {
    std::vector<std::size_t> at(group.size(), 0);
    for (std::size_t i = 0; i < group.front().elements.size();) {
        if (++steps_ > kSearchStepsMax) return false;
        const std::uint32_t element = step_towards(group.front().elements[i], parent);
        std::vector<Candidates> below(group.size());
        bool all = true;
        for (std::size_t k = 0; k < group.size(); ++k) {
            const auto& list = group[k].elements;
            while (at[k] < list.size() && step_towards(list[at[k]], parent) < element) ++at[k];
            while (at[k] < list.size() && step_towards(list[at[k]], parent) == element) {
                below[k].elements.push_back(list[at[k]++]);
            }
            all = all && !below[k].elements.empty();
        }
        i = at[0];
        if (all && combine_below(element, std::move(below))) return true;
    }
    return false;
}

// NOLINTEND(misc-no-recursion)

}  // namespace millrace::matcher
