#include "matcher/filter/predicate.h"

#include <bit>
#include <functional>
#include <iterator>

namespace millrace::matcher {
namespace {

std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
    std::uint64_t z = seed * 0x9e3779b97f4a7c15ULL + value;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    return z ^ (z >> 27);
}

std::uint64_t hash_text(std::string_view text) { return std::hash<std::string_view>{}(text); }

Predicate combine(Predicate::Kind kind, Predicate::Kind neutral, Predicate::Kind absorbing,
                  std::vector<Predicate> children) {
    Predicate out;
    out.kind = kind;
    for (Predicate& child : children) {
        if (child.kind == neutral) continue;
        if (child.kind == absorbing) return child;
        if (child.kind == kind) {
            std::move(child.children.begin(), child.children.end(),
                      std::back_inserter(out.children));
        } else {
            out.children.push_back(std::move(child));
        }
    }
    if (out.children.empty()) {
        out.kind = neutral;
        return out;
    }
    if (out.children.size() == 1) {
        Predicate only = std::move(out.children.front());
        return only;
    }
    return out;
}

}  // namespace

Scalar Scalar::boolean(bool value) {
    Scalar s;
    s.type = value ? Type::kTrue : Type::kFalse;
    return s;
}

Scalar Scalar::string(std::string_view value) {
    Scalar s;
    s.type = Type::kString;
    s.text = value;
    return s;
}

Scalar Scalar::number(std::string_view digits) {
    Scalar s;
    s.type = Type::kNumber;
    s.text = digits;
    NumberView view;
    parse_number(digits, view);
    s.number_approx = view.approx;
    s.number_is_short = view.is_short;
    return s;
}

bool operator==(const Scalar& a, const Scalar& b) {
    if (a.type != b.type) return false;
    if (a.is_number()) return compare(a.number_view(), b.number_view()) == 0;
    return a.text == b.text;
}

Predicate Predicate::never() {
    Predicate p;
    p.kind = Kind::kFalse;
    return p;
}

Predicate Predicate::of(Leaf leaf) {
    Predicate p;
    p.kind = Kind::kLeaf;
    p.leaf = std::move(leaf);
    return p;
}

Predicate Predicate::negation(Predicate child) {
    if (child.kind == Kind::kTrue) return never();
    if (child.kind == Kind::kFalse) return always();
    // Not(not X) stays: X alone would share the scope outside, which it did not.
    Predicate p;
    p.kind = Kind::kNot;
    p.children.push_back(std::move(child));
    return p;
}

Predicate Predicate::all_of(std::vector<Predicate> children) {
    return combine(Kind::kAnd, Kind::kTrue, Kind::kFalse, std::move(children));
}

Predicate Predicate::any_of(std::vector<Predicate> children) {
    return combine(Kind::kOr, Kind::kFalse, Kind::kTrue, std::move(children));
}

std::uint64_t hash_of(const Path& path) {
    std::uint64_t h = path.steps.size();
    for (const PathStep& step : path.steps) {
        h = mix(h, static_cast<std::uint64_t>(step.kind));
        h = mix(h, step.kind == PathStep::Kind::kName ? hash_text(step.name)
                                                      : static_cast<std::uint64_t>(step.index));
    }
    return h;
}

std::uint64_t hash_of(const Scalar& scalar) {
    const std::uint64_t h = mix(1, static_cast<std::uint64_t>(scalar.type));
    if (scalar.is_number()) return mix(h, std::bit_cast<std::uint64_t>(scalar.number_approx));
    return mix(h, hash_text(scalar.text));
}

std::uint64_t hash_of(const Leaf& leaf) {
    std::uint64_t h = hash_of(leaf.path);
    h = mix(h, static_cast<std::uint64_t>(leaf.op) * 8 + leaf.negated * 4u +
                   leaf.lower_inclusive * 2u + leaf.upper_inclusive);
    for (const Scalar& operand : leaf.operands) h = mix(h, hash_of(operand));
    return h;
}

std::uint64_t hash_of(const Predicate& predicate) {
    std::uint64_t h = mix(2, static_cast<std::uint64_t>(predicate.kind));
    if (predicate.kind == Predicate::Kind::kLeaf) return mix(h, hash_of(predicate.leaf));
    for (const Predicate& child : predicate.children) h = mix(h, hash_of(child));
    return h;
}

std::uint64_t hash_of(const PatternPredicate& pattern) {
    return mix(mix(3, static_cast<std::uint64_t>(pattern.kind)), hash_text(pattern.value));
}

std::size_t leaf_count(const Predicate& predicate) {
    std::size_t count = predicate.kind == Predicate::Kind::kLeaf ? 1 : 0;
    for (const Predicate& child : predicate.children) count += leaf_count(child);
    return count;
}

}  // namespace millrace::matcher
