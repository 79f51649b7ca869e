// What: look-ups of names that nobody waits for any more and that may still go on, each in a thread
//       of libcurl's: whether one more may be begun for somebody. Whoever calls names that nobody
//       answers for uses up its own, and holds up nobody else's calls.
// Threads: one. Lifetime: a value.
// Limits: kOfOneMax of one owner. Beyond kOfAllMax of all, an owner has kAlways: who has none left
//         may look names up whatever the others do.
// Failure: no room is an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

namespace millrace::courier {

class LookupsLeft {
public:
    static constexpr std::size_t kOfOneMax = 64;
    static constexpr std::size_t kOfAllMax = 512;
    static constexpr std::size_t kAlways = 4;
    // Until the resolver gives up, by its defaults in 30 s at most.
    static constexpr std::int64_t kNsMax = 30'000'000'000;

    void note(std::uint64_t owner, std::int64_t now_ns) {
        left_.emplace_back(now_ns, owner);
        ++of_owner_[owner];
    }
    bool may_look_up(std::uint64_t owner, std::int64_t now_ns) {
        while (!left_.empty() && now_ns - left_.front().first > kNsMax) {
            const auto it = of_owner_.find(left_.front().second);
            if (--it->second == 0) of_owner_.erase(it);
            left_.pop_front();
        }
        const auto it = of_owner_.find(owner);
        const std::size_t own = it == of_owner_.end() ? 0 : it->second;
        return own < (left_.size() < kOfAllMax ? kOfOneMax : kAlways);
    }

private:
    std::deque<std::pair<std::int64_t, std::uint64_t>> left_;  // when and whose, the earliest first
    std::map<std::uint64_t, std::size_t> of_owner_;
};

}  // namespace millrace::courier
