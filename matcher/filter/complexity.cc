// What a subscription may cost: counts over the whole predicate against the bounds of limits.h.
#include "matcher/filter/dialects.h"
#include "matcher/filter/limits.h"
#include "matcher/filter/wildcard.h"
#include "matcher/regex/regex.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

constexpr std::size_t kSaturated = 1u << 30;

std::size_t value_count(const Predicate& predicate) {
    std::size_t count = predicate.leaf.operands.size();
    for (const Predicate& child : predicate.children) count += value_count(child);
    return count;
}

core::Status over(std::string_view what, std::size_t found, std::size_t limit) {
    if (found <= limit) return {};
    const std::string shown = found >= kSaturated ? "too many" : std::to_string(found);
    return core::fail(core::Error(core::ErrorCode::kValidation, shown + " " + std::string(what) +
                                                                    " exceed the limit of " +
                                                                    std::to_string(limit))
                          .bound(static_cast<std::int64_t>(limit)));
}

// Live prefixes of a wildcard grow with the stars; a star at an end costs nothing extra.
std::size_t wildcard_cost(std::string_view text) {
    const auto wildcard = parse_wildcard(text);
    if (!wildcard) return kSaturated;
    const std::size_t inner = wildcard->pieces.size() > 2 ? wildcard->pieces.size() - 2 : 0;
    return 2 + wildcard->stars() + 4 * inner * inner;
}

}  // namespace

std::size_t complexity_of(const Leaf& leaf) {
    std::size_t cost = 1;
    for (const Scalar& operand : leaf.operands) {
        if (leaf.op == Op::kRegex) {
            cost += regex_positions(operand.text);
        } else if (leaf.op == Op::kWildcard || leaf.op == Op::kWildcardIgnoreCase) {
            cost += wildcard_cost(operand.text);
        } else if (leaf.op == Op::kContains || leaf.op == Op::kContainsIgnoreCase) {
            cost += 2;
        }
        cost = std::min(cost, kSaturated);
    }
    // A lookup, however many values: the list itself is bounded apart.
    const auto passes =
        std::count_if(leaf.path.steps.begin(), leaf.path.steps.end(),
                      [](const PathStep& step) { return step.kind == PathStep::Kind::kWildcard; });
    return cost + static_cast<std::size_t>(passes);
}

std::size_t complexity_of(const Predicate& predicate) {
    std::size_t cost = predicate.kind == Predicate::Kind::kLeaf ? complexity_of(predicate.leaf) : 0;
    for (const Predicate& child : predicate.children)
        cost = std::min(cost + complexity_of(child), kSaturated);
    return cost;
}

std::size_t clause_count(const Predicate& predicate) {
    std::size_t count = 1;
    switch (predicate.kind) {
        case Predicate::Kind::kAnd:
            for (const Predicate& child : predicate.children) {
                count = std::min(count * clause_count(child), kSaturated);
            }
            return count;
        case Predicate::Kind::kOr: {
            count = 0;
            std::vector<const Path*> seen;
            for (const Predicate& child : predicate.children) {
                if (child.kind == Predicate::Kind::kLeaf) {
                    const auto same = [&](const Path* path) { return *path == child.leaf.path; };
                    if (std::any_of(seen.begin(), seen.end(), same)) continue;
                    seen.push_back(&child.leaf.path);
                }
                count = std::min(count + clause_count(child), kSaturated);
            }
            return count;
        }
        case Predicate::Kind::kNot:
            // Its own scope: searched apart, but searched.
            return clause_count(predicate.children.front()) > kFilterClausesMax ? kSaturated : 1;
        default: return 1;
    }
}

core::Status check_limits(const Predicate& predicate, const PatternPredicate& pattern) {
    const std::pair<std::string_view, std::pair<std::size_t, std::size_t>> bounds[] = {
        {"conditions", {leaf_count(predicate), kFilterLeavesMax}},
        {"values", {value_count(predicate), kFilterValuesMax}},
        {"alternatives (the product of the `or`s)", {clause_count(predicate), kFilterClausesMax}},
    };
    for (const auto& [what, bound] : bounds) {
        if (auto fits = over(what, bound.first, bound.second); !fits) return fits;
    }
    std::size_t cost = complexity_of(predicate);
    if (pattern.kind == PatternPredicate::Kind::kRegex) cost += regex_positions(pattern.value);
    if (pattern.kind == PatternPredicate::Kind::kWildcard) cost += wildcard_cost(pattern.value);
    return over("units of complexity", std::min(cost, kSaturated), kComplexityMax);
}

}  // namespace millrace::matcher
