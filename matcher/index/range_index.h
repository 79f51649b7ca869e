// What: conditions "number between bounds" that subscriptions hang on: which of them does a number
//       meet? Bounds are doubles and belong to the range: closed_bounds() moves an excluded one by
//       one step. One-sided ranges are a run of a sorted list; two-sided ones are found by stabbing
//       an interval tree that lies in a sorted list. For short numbers what is found is exact.
// Threads: built by one; then read by any number. Lifetime: value.
// Limits: none. Failure: none.
#pragma once

#include "matcher/index/pivot.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace millrace::matcher {

struct Bounds {
    double lower = -std::numeric_limits<double>::infinity();
    double upper = std::numeric_limits<double>::infinity();

    // Does the range have a number in common with this one?
    bool meets(const Bounds& value) const { return lower <= value.upper && upper >= value.lower; }
};
// What a number that doubles do not hold exactly may be.
inline Bounds around(double approx) {
    constexpr double kOpen = std::numeric_limits<double>::infinity();
    if (!(approx > -kOpen && approx < kOpen) || approx == 0) [[unlikely]]
        return {std::nextafter(approx, -kOpen), std::nextafter(approx, kOpen)};
    // The neighbours' bits are one less and one more, by magnitude.
    const auto bits = std::bit_cast<std::uint64_t>(approx);
    const double inner = std::bit_cast<double>(bits - 1);
    const double outer = std::bit_cast<double>(bits + 1);
    return approx < 0 ? Bounds{outer, inner} : Bounds{inner, outer};
}

class RangeIndex {
public:
    // Infinite bounds are open ends.
    void add(const Bounds& bounds, const Entry& entry) {
        constexpr double kOpen = std::numeric_limits<double>::infinity();
        const auto [lower, upper] = bounds;
        if (upper == kOpen) {
            lower_only_.push_back({lower, upper, upper, entry});
        } else if (lower == -kOpen) {
            upper_only_.push_back({lower, upper, upper, entry});
        } else {
            both_.push_back({lower, upper, upper, entry});
        }
    }
    void build() {
        const auto by_lower = [](const Item& a, const Item& b) { return a.lower < b.lower; };
        std::sort(lower_only_.begin(), lower_only_.end(), by_lower);
        std::sort(both_.begin(), both_.end(), by_lower);
        std::sort(upper_only_.begin(), upper_only_.end(),
                  [](const Item& a, const Item& b) { return a.upper > b.upper; });
        fill_max(0, both_.size());
    }
    template <typename Visit>
    void find(const Bounds& value, Visit visit) const {
        for (const Item& item : lower_only_) {
            if (item.lower > value.upper) break;
            visit(item.entry);
        }
        for (const Item& item : upper_only_) {
            if (item.upper < value.lower) break;
            visit(item.entry);
        }
        stab(0, both_.size(), value, visit);
    }
    std::size_t bytes() const {
        return (lower_only_.capacity() + upper_only_.capacity() + both_.capacity()) * sizeof(Item);
    }

private:
    struct Item {
        double lower;
        double upper;
        double upper_max;  // of the subtree whose root this is
        Entry entry;
    };
    // The tree over [begin, end) has its root in the middle.
    // NOLINTBEGIN(misc-no-recursion): as deep as the logarithm of the list.
    double fill_max(std::size_t begin, std::size_t end) {
        if (begin == end) return -std::numeric_limits<double>::infinity();
        const std::size_t middle = begin + (end - begin) / 2;
        Item& root = both_[middle];
        root.upper_max = std::max({root.upper, fill_max(begin, middle), fill_max(middle + 1, end)});
        return root.upper_max;
    }
    template <typename Visit>
    void stab(std::size_t begin, std::size_t end, const Bounds& value, Visit visit) const {
        while (begin < end) {
            const std::size_t middle = begin + (end - begin) / 2;
            const Item& root = both_[middle];
            if (root.upper_max < value.lower) return;
            stab(begin, middle, value, visit);
            if (root.lower > value.upper) return;
            if (root.upper >= value.lower) visit(root.entry);
            begin = middle + 1;
        }
    }
    // NOLINTEND(misc-no-recursion)

    std::vector<Item> lower_only_;
    std::vector<Item> upper_only_;
    std::vector<Item> both_;
};

}  // namespace millrace::matcher
