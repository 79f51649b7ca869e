// What: which of the calls that wait may begin: a group has so many at once and so many a second,
//       a pool of groups has room for so many. The groups of a pool take turns.
// Threads: the courier's. Lifetime: value.
// Limits: the caller bounds what waits. Of groups that have a rate and no call kRatedMax are
//         remembered. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

namespace millrace::courier {

struct GroupLimits {
    std::size_t pool = 0;
    std::uint64_t group = 0;  // one of its pool
    std::uint32_t calls_max = 0;
    double per_second_max = 0;
};

class CallGroups {
public:
    static constexpr std::size_t kRatedMax = 4'096;

    explicit CallGroups(const std::vector<std::size_t>& calls_max) {
        for (const std::size_t max : calls_max) pools_.push_back({max, 0, 0, {}});
    }

    void wait(std::uint64_t call, const GroupLimits& limits);
    // The next call that may begin; it has begun with this.
    std::optional<std::uint64_t> next(std::int64_t now_ns);
    // One that has begun is over.
    void ended(std::uint64_t group);
    // One that waits is wanted no more.
    bool forget(std::uint64_t call, std::uint64_t group);
    // When a group's next call may begin, if its rate is all that it waits for.
    std::optional<std::int64_t> next_at_ns() const;
    std::size_t waiting() const;
    std::size_t waiting(std::size_t pool) const { return pools_[pool].waiting; }
    std::size_t under_way(std::size_t pool) const { return pools_[pool].under_way; }
    std::size_t groups() const { return groups_.size(); }

private:
    struct Group {
        GroupLimits limits;
        std::size_t under_way = 0;
        std::int64_t free_at_ns = 0;  // by its rate
        std::deque<std::uint64_t> waiting;
        bool in_turn = false;
        bool rated = false;  // it stands in rated_
        bool idle() const { return under_way == 0 && waiting.empty(); }
    };
    struct Pool {
        std::size_t calls_max = 0;
        std::size_t under_way = 0;
        std::size_t waiting = 0;
        std::deque<std::uint64_t> turns;  // groups with calls that wait
    };
    std::optional<std::uint64_t> next_of(Pool& pool, std::int64_t now_ns);
    bool may_begin(const Group& group, std::int64_t now_ns) const;
    void take_turn(std::uint64_t number, Group& group);
    void end_if_idle(std::uint64_t number);

    std::unordered_map<std::uint64_t, Group> groups_;
    std::deque<std::uint64_t> rated_;  // with a rate, that were idle, the longest first
    std::vector<Pool> pools_;
};

}  // namespace millrace::courier
