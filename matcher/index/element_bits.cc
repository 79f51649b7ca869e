#include "matcher/index/element_bits.h"

#include <algorithm>

namespace millrace::matcher {

void ElementBits::set_up(const core::FieldTable& fields) {
    is_set_up_ = true;
    sets_.clear();
    words_.clear();
    count_ = fields.element_count();
    decides_ = fields.is_tree();
    if (!decides_) return;
    is_flat_ = true;
    inner_.assign(count_, 0);
    outer_.resize(count_);
    // Elements have higher numbers than those they lie in. No array begins at byte 0.
    for (std::uint32_t id = 1; id < count_; ++id) {
        const core::FieldElement& element = fields.element(id);
        if (element.parent == core::kNoElement) {
            outer_[id] = element.container;
            continue;
        }
        is_flat_ = false;
        outer_[id] = outer_[element.parent];
        std::uint32_t& inner = inner_[element.parent];
        if (inner != 0 && inner != element.container) decides_ = false;
        inner = element.container;
    }
}

std::uint32_t ElementBits::add(const core::FieldTable& fields,
                               std::span<const std::uint32_t> elements) {
    const auto begin = static_cast<std::uint32_t>(words_.size());
    words_.resize(begin + (count_ + 63) / 64);
    std::uint64_t* const bits = words_.data() + begin;
    const auto has = [bits](std::uint32_t id) { return (bits[id / 64] >> id % 64 & 1) != 0; };
    for (const std::uint32_t id : elements) bits[id / 64] |= std::uint64_t{1} << id % 64;
    for (std::uint32_t id = elements.front() + 1; id < count_ && !is_flat_; ++id) {
        if (has(fields.element(id).parent)) bits[id / 64] |= std::uint64_t{1} << id % 64;
    }
    sets_.push_back({outer_[elements.front()], begin});
    return static_cast<std::uint32_t>(sets_.size() - 1);
}

bool ElementBits::agree(std::span<const std::uint32_t> sets) {
    asked_.clear();
    for (const std::uint32_t set : sets) asked_.push_back(sets_[set]);
    std::sort(asked_.begin(), asked_.end(),
              [](const Set& a, const Set& b) { return a.container < b.container; });
    for (std::size_t first = 0; first < asked_.size();) {
        std::size_t last = first + 1;
        while (last < asked_.size() && asked_[last].container == asked_[first].container) ++last;
        std::uint64_t common = 0;
        for (std::uint32_t word = 0; word < (count_ + 63) / 64 && common == 0; ++word) {
            common = words_[asked_[first].words + word];
            for (std::size_t i = first + 1; i < last; ++i) common &= words_[asked_[i].words + word];
        }
        if (common == 0) return false;
        first = last;
    }
    return true;
}

}  // namespace millrace::matcher
