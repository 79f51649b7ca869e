// What: the matches of one event while they are gathered, each one number that orders as they are
//       handed out: by priority from high to low, then by id. Room is made ahead so that a run of
//       entries can be gathered without a branch for each.
// Threads: one owner. Lifetime: value; keeps its memory. Limits: none. Failure: std::bad_alloc.
#pragma once

#include "core/ids.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::matcher {

using Match = std::uint64_t;

inline Match make_match(std::int32_t priority, core::SubscriptionId id) {
    const std::uint32_t falling = ~(static_cast<std::uint32_t>(priority) ^ 0x80000000u);
    return std::uint64_t{falling} << 32 | id.value;
}
inline core::SubscriptionId id_in(Match match) {
    return core::SubscriptionId(static_cast<std::uint32_t>(match));
}

class MatchList {
public:
    void clear() { size_ = 0; }
    void add(Match match) {
        *room(1) = match;
        ++size_;
    }
    // Where so many more may be written; the next call tells how many were.
    Match* room(std::size_t count) {
        if (size_ + count > memory_.size()) [[unlikely]]
            memory_.resize((size_ + count) * 2 + kFirst);
        return memory_.data() + size_;
    }
    void added(std::size_t count) { size_ += count; }

    std::size_t size() const { return size_; }
    // Sorts them and takes out those that came twice.
    void arrange();
    const Match* begin() const { return memory_.data(); }
    const Match* end() const { return memory_.data() + size_; }

private:
    static constexpr std::size_t kFirst = 64;

    std::vector<Match> memory_;
    std::size_t size_ = 0;
};

}  // namespace millrace::matcher
