// What: which connection has been idle longest, for servers that are full. A look at all of them
//       finds the next few, so that a flood of new ones does not cost a look each.
// Threads: one. Lifetime: a value. Limits: kKept candidates between two looks.
// Failure: none; a candidate is asked again before it goes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace millrace::io {

inline constexpr std::int64_t kNotIdle = std::numeric_limits<std::int64_t>::max();

class IdleQueue {
public:
    // idle_since(index): kNotIdle for those that may not go. The index of the one to close, or
    // `count`.
    template <typename IdleSince>
    std::size_t take_oldest(std::size_t count, std::int64_t now_ns, IdleSince idle_since) {
        for (int looks = 0; looks < 2; ++looks) {
            while (!oldest_.empty()) {
                const Candidate next = oldest_.back();
                oldest_.pop_back();
                if (idle_since(next.index) == next.since_ns) return next.index;
            }
            if (now_ns < look_again_ns_) break;
            look(count, idle_since);
            // All at work: that will not change from one accept to the next.
            if (oldest_.empty()) look_again_ns_ = now_ns + kPauseNs;
        }
        return count;
    }

private:
    static constexpr std::size_t kKept = 64;
    static constexpr std::int64_t kPauseNs = 20'000'000;

    struct Candidate {
        std::int64_t since_ns;
        std::size_t index;
    };

    template <typename IdleSince>
    void look(std::size_t count, IdleSince idle_since) {
        for (std::size_t index = 0; index < count; ++index) {
            const std::int64_t since_ns = idle_since(index);
            if (since_ns != kNotIdle) oldest_.push_back({since_ns, index});
        }
        const auto newer = [](const Candidate& a, const Candidate& b) {
            return a.since_ns > b.since_ns;
        };
        const std::size_t kept = std::min(kKept, oldest_.size());
        const auto begin = oldest_.end() - static_cast<std::ptrdiff_t>(kept);
        std::nth_element(oldest_.begin(), begin, oldest_.end(), newer);
        oldest_.erase(oldest_.begin(), begin);
        std::sort(oldest_.begin(), oldest_.end(), newer);
    }

    std::vector<Candidate> oldest_;  // the oldest last
    std::int64_t look_again_ns_ = 0;
};

}  // namespace millrace::io
