#include "matcher/index/match_list.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace millrace::matcher {

namespace {

struct Exchange {
    std::uint8_t low;
    std::uint8_t high;
};
// Rows of exchanges that sort four and eight: no branch is guessed wrong, and those that do not
// touch each other run side by side.
constexpr Exchange kFour[] = {{0, 2}, {1, 3}, {0, 1}, {2, 3}, {1, 2}};
constexpr Exchange kEight[] = {{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6},
                               {3, 7}, {0, 1}, {2, 3}, {4, 5}, {6, 7}, {2, 4}, {3, 5},
                               {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}};

template <std::size_t kSize, const auto& kRow, std::size_t... kPlace>
[[gnu::always_inline]] inline void sort_by(Match* all, std::index_sequence<kPlace...>) {
    Match sorted[kSize];
    std::copy(all, all + kSize, sorted);
    const auto exchange = [&sorted](std::size_t low, std::size_t high) {
        const Match a = sorted[low];
        const Match b = sorted[high];
        sorted[low] = a < b ? a : b;
        sorted[high] = a < b ? b : a;
    };
    (exchange(kRow[kPlace].low, kRow[kPlace].high), ...);
    std::copy(sorted, sorted + kSize, all);
}

void sort_some(Match* all, std::size_t size) {
    for (std::size_t i = 1; i < size; ++i) {
        const Match match = all[i];
        std::size_t at = i;
        for (; at > 0 && all[at - 1] > match; --at) all[at] = all[at - 1];
        all[at] = match;
    }
}

}  // namespace

void MatchList::arrange() {
    if (size_ < 2) return;
    Match* const first = memory_.data();
    if (size_ <= 8) {
        // Behind the last one stand such as sort behind all: room() left the place.
        std::fill(first + size_, first + kFirst / 8, ~Match{0});
        if (size_ <= 4) {
            sort_by<4, kFour>(first, std::make_index_sequence<std::size(kFour)>());
        } else {
            sort_by<8, kEight>(first, std::make_index_sequence<std::size(kEight)>());
        }
    } else if (size_ <= 24) {
        sort_some(first, size_);
    } else if (!std::is_sorted(first, first + size_)) {
        std::sort(first, first + size_);
    }
    size_ = static_cast<std::size_t>(std::unique(first, first + size_) - first);
}

}  // namespace millrace::matcher
